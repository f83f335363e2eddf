"""The walls of the house: imports run one way, files stay readable, and nothing of other people's data is kept here."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import grimp
from importlinter.cli import lint_imports

from tests.architecture.tree import EXCUSED, PACKAGES, ROOT, excused, is_migration, modules, text, tracked

LONGEST_LINE, LONGEST_FILE = 120, 500


def test_imports_run_along_the_road_and_down_the_floors(monkeypatch):
    monkeypatch.setattr("logging.config.dictConfig", lambda config: None)  # it would silence every logger there is
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_no_modules_import_each_other_in_a_circle():
    """Imports for type checking and imports inside functions count as well: a circle is a circle for the reader."""
    names = [name for name in PACKAGES if (ROOT / PACKAGES[name]).is_dir()]
    graph = grimp.build_graph(*names, cache_dir=None)
    edges = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert circles(edges) == []


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach one another. What imports nothing, or is imported by nothing, is peeled off."""
    left = {module: {other for other in others if other in edges} for module, others in edges.items()}
    while True:
        wanted = set().union(*left.values())
        ends = [module for module, others in left.items() if not others or module not in wanted]
        if not ends:
            break
        for module in ends:
            del left[module]
        left = {module: others - set(ends) for module, others in left.items()}
    groups: list[list[str]] = []
    for module in sorted(left):
        group = reached(module, left) & {other for other in left if module in reached(other, left)}
        if group and sorted(group) not in groups:
            groups.append(sorted(group))
    return groups


def reached(start: str, edges: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for other in edges[todo.pop()] - seen:
            seen.add(other)
            todo.append(other)
    return seen


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_no_public_class_name_stands_twice_in_the_product():
    """One name, one meaning. `Meta`, pytest classes and what the frameworks fix by name are not public names."""
    places: dict[str, list[str]] = defaultdict(list)
    for module, path in modules().items():
        if module.startswith("sandbox") or is_migration(path):
            continue
        for node in ast.parse(text(path)).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name != "Command":
                places[node.name].append(path)
    twice = {name: paths for name, paths in places.items() if len(paths) > 1}
    assert twice == {}


def test_text_is_a_number_only_where_python_can_make_one_of_it():
    """`isdigit` and `isnumeric` say yes to superscripts and circled digits, of which `int` makes an error; `isdecimal`
    does not."""
    found = [
        f"{path}:{node.lineno}"
        for path in modules().values()
        if "isdigit" in text(path) or "isnumeric" in text(path)
        for node in ast.walk(ast.parse(text(path)))
        if isinstance(node, ast.Attribute) and node.attr in ("isdigit", "isnumeric")
    ]
    assert found == []


def test_nobody_raises_the_rollback_of_psycopg():
    """It is taken back by `transaction()` only where the connection still stands: where the server has closed it, it
    goes through to callers who expect an `OperationalError`. `force_rollback` and exceptions of one's own do not."""
    found = [
        f"{path}:{node.lineno}"
        for path in modules().values()
        if "Rollback" in text(path)
        for node in ast.walk(ast.parse(text(path)))
        if isinstance(node, ast.Raise) and "Rollback" in ast.unparse(node)
    ]
    assert found == []


def test_no_module_is_named_after_nothing():
    empty_words = {"utils", "helpers", "common", "misc", "manager", "util", "helper"}
    assert [path for path in tracked("*.py") if Path(path).stem in empty_words] == []


def test_files_stay_below_five_hundred_lines():
    assert {path: lines for path, lines in long_files().items() if not excused(path, EXCUSED["long_files"])} == {}


def test_no_long_file_is_excused_in_vain():
    assert [path for path in EXCUSED["long_files"] if not any(excused(long, [path]) for long in long_files())] == []


def long_files() -> dict[str, int]:
    sizes = {path: len(text(path).splitlines()) for path in tracked("*.py", "*.sql", "*.js") if not is_migration(path)}
    return {path: lines for path, lines in sizes.items() if lines > LONGEST_FILE}


def test_lines_of_code_sql_and_templates_stay_within_120_columns():
    wide = [
        f"{path}:{number}"
        for path in tracked("*.py", "*.sql", "templates/*.html")
        if not is_migration(path)
        for number, line in enumerate(text(path).splitlines(), 1)
        if len(line) > LONGEST_LINE
    ]
    assert wide == []


def test_the_formatter_is_switched_off_only_where_it_is_listed():
    off = [path for path in tracked("*.py") if re.search(r"#\s*fmt:\s*(skip|off)", text(path))]
    assert off == []


def test_no_template_decides_style_or_script_inline():
    offending = [
        f"{path}: {word}"
        for path in tracked("templates/*.html")
        for word in (' style="', " onclick=", " onchange=", " onsubmit=", "<script>")
        if word in text(path)
    ]
    assert offending == []


def test_real_retail_data_is_not_copied_into_the_project(shared_data: Path):
    def sizes(files: list[Path]) -> dict[int, list[Path]]:
        grouped: dict[int, list[Path]] = {}
        for file in files:
            grouped.setdefault(file.stat().st_size, []).append(file)
        return grouped

    theirs = sizes([p for p in shared_data.rglob("*") if p.is_file() and p.stat().st_size > 200])
    copies = [
        str(mine.relative_to(ROOT))
        for size, files in sizes([ROOT / path for path in tracked()]).items()
        for mine in files
        if any(mine.read_bytes() == other.read_bytes() for other in theirs.get(size, []))
    ]
    assert copies == []
