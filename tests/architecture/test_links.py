"""What documents, docstrings and comments refer to is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path, PurePosixPath

from tests.architecture.tree import ROOT, is_migration, modules, text, tracked

ROOMS = "kernel|catalog|contracts|cli|governance|runtime|portal|sandbox|templates|static|tests|bench|deploy|docs"
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
HEADING_LINK = re.compile(r"\]\(([^)#\s]*)#([^)\s]+)\)")
CODE_SPAN = re.compile(r"`([^`\n]+)`")
FILE_PATH = re.compile(
    rf"(?<![\w/.<-])((?:{ROOMS})/[\w./-]*?[\w-]+\.(?:py|md|sql|toml|yaml|html|css|js|json|edmx|tsv|png))(?![\w/])"
)
FOLDER_PATH = re.compile(rf"^(?:{ROOMS})/(?:[\w-]+/)*$")
FLOOR_PATH = re.compile(r"(?<![\w/.-])((?:domain|selectors|services|web|api|ledger|worker|mapping)/[\w/]+\.py)\b")
CITATION = re.compile(r"(?<![\w/<])[\w./-]*\w\.md\b")
MODULE = re.compile(
    r"(?<![\w./@-])((?:kernel|catalog|tillgate_contracts|tillgate|governance|runtime|portal)"
    r"(?:\.[A-Za-z_]\w*){2,})"
)
EXAMPLES = (  # what a how-to makes: a page, a check, a profile
    "catalog/late_campaigns.html",
    "templates/catalog/late_campaigns.html",
    "runtime/services/runbook_checks.py",
    "runtime.services.runbook_checks",
    "runtime/profiles/example-orders.toml",
    "tillgate.lock.yaml",
)
DOCUMENTS = tracked("*.md")


def test_links_between_documents_lead_somewhere():
    dead = [
        f"{path}: {match[1]}"
        for path in DOCUMENTS
        for match in LINK.finditer(without_code_blocks(text(path)))
        if "://" not in match[1] and not match[1].startswith("mailto:")
        if not ((ROOT / path).parent / match[1]).exists()
    ]
    assert dead == []


def test_links_to_a_heading_find_it():
    dead = []
    for path in DOCUMENTS:
        for match in HEADING_LINK.finditer(without_code_blocks(text(path))):
            target = (ROOT / path).parent / match[1] if match[1] else ROOT / path
            if "://" not in match[1] and target.is_file() and match[2] not in anchors(target):
                dead.append(f"{path}: {match[1]}#{match[2]}")
    assert dead == []


def anchors(path: Path) -> set[str]:
    """The anchors of the headings, as the usual web pages of repositories make them."""
    headings = re.findall(r"^#+ +(.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def without_code_blocks(document: str) -> str:
    return re.sub(r"^```.*?^```", "", document, flags=re.MULTILINE | re.DOTALL)


def test_paths_that_are_named_exist():
    """Files in documents, templates, docstrings and comments; folders between backticks in documents."""
    dead = []
    for path in tracked("*.md", "*.py", "*.sql", "*.html", "*.toml", "*.yaml", "Makefile"):
        if skipped(path):
            continue
        named = FILE_PATH.findall(text(path))
        if path.endswith(".md"):
            named += [span for span in CODE_SPAN.findall(text(path)) if FOLDER_PATH.match(span)]
        dead += [f"{path}: {name}" for name in named if name not in EXAMPLES and not there(name, path)]
    assert dead == []


def there(name: str, path: str) -> bool:
    """From the root, beside the file that names it, or a template by the name that Django knows it by."""
    return any((folder / name).exists() for folder in (ROOT, (ROOT / path).parent, ROOT / "templates"))


def test_paths_below_a_room_exist():
    """`services/changes.py` in a module of governance is `governance/services/changes.py`."""
    dead = [
        f"{path}: {name}"
        for path in tracked("kernel/*.py", "catalog/*.py", "governance/*.py", "runtime/*.py", "portal/*.py")
        if not skipped(path)
        for name in FLOOR_PATH.findall(text(path))
        if not any((ROOT / room / name).is_file() for room in (PurePosixPath(path).parts[0], "tests"))
    ]
    assert dead == []


def test_documents_that_are_cited_exist():
    """`semantics.md` in a docstring is a file of this repository, by its path or by its name."""
    names = {PurePosixPath(path).name for path in DOCUMENTS}
    dead = [
        f"{path}: {cited}"
        for path in tracked("*.md", "*.py", "*.sql", "*.html", "*.toml", "*.yaml", "*.js", "*.css", "Makefile")
        if not path.startswith("tests/") and not skipped(path)
        for cited in CITATION.findall(text(path))
        if "://" not in cited and PurePosixPath(cited).name not in names
    ]
    assert dead == []


def test_modules_and_functions_that_documents_name_exist():
    """`governance.services.approvals.require` in a document or docstring is a module and a name in it."""
    known = modules()
    dead = [
        f"{path}: {name}"
        for path in tracked("*.md", "*.py", "*.html")
        if not skipped(path)
        for name in MODULE.findall(prose(path))
        if name not in EXAMPLES and not resolves(name, known)
    ]
    assert dead == []


def prose(path: str) -> str:
    """A document as it is; of a module, its docstrings."""
    if not path.endswith(".py"):
        return text(path)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = (
        ast.get_docstring(node, clean=False) for node in ast.walk(ast.parse(text(path))) if isinstance(node, kinds)
    )
    return "\n".join(docstring for docstring in found if docstring)


def resolves(name: str, known: dict[str, str]) -> bool:
    """The longest beginning that is a module holds the next name; audit verbs and event names are no modules."""
    parts = name.split(".")
    for end in range(len(parts), 1, -1):
        module = ".".join(parts[:end])
        if module in known:
            return end == len(parts) or re.search(rf"\b{parts[end]}\b", text(known[module])) is not None
    return ".".join(parts[:1]) in known and not any(module.startswith(".".join(parts[:2])) for module in known)


def skipped(path: str) -> bool:
    generated_or_old = ("docs/decisions/", "CHANGELOG.md", "docs/reference/openapi.yaml", "tests/architecture/")
    return is_migration(path) or path.startswith(generated_or_old)


def test_a_decision_has_a_number_of_its_own_and_says_it():
    records = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    numbers = [path.name[:4] for path in records]
    assert sorted(set(numbers)) == numbers
    wrong = [path.name for path in records if not path.read_text().startswith(f"# {int(path.name[:4])}. ")]
    assert wrong == []
