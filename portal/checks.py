"""The part of `make check` that is not lint, types or tests.

Django's own checks, missing migrations, the OpenAPI snapshot.
"""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "docs" / "reference" / "openapi.yaml"


def run(*arguments: str) -> bool:
    print("manage.py", *arguments, flush=True)
    environment = dict(
        os.environ, SECRET_KEY=os.environ.get("SECRET_KEY", "checks"), PYTHONWARNINGS="ignore::RuntimeWarning"
    )
    return subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment).returncode == 0


def schema_is_current() -> bool:
    """The committed OpenAPI document equals what the code says; `make schema` accepts a deliberate change."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "openapi.yaml"
        if not run("spectacular", "--file", str(fresh), "--validate", "--fail-on-warn"):
            return False
        old, new = SNAPSHOT.read_text().splitlines() if SNAPSHOT.exists() else [], fresh.read_text().splitlines()
    if old != new:
        print(
            "\n".join(
                list(
                    difflib.unified_diff(
                        old, new, "docs/reference/openapi.yaml", "what the code says", lineterm="", n=1
                    )
                )[:60]
            )
        )
        print("The API changed. If that is meant, run `make schema` and commit the file.")
    return old == new


def main() -> int:
    results = [
        run("check", "--fail-level", "WARNING"),
        run("makemigrations", "--check", "--dry-run"),
        schema_is_current(),
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
