"""The compose file is what Docker can read; the container image installs from the lock."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_compose_names_every_process_and_no_secret_in_clear():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert {"postgres", "redis", "web", "worker", "scheduler", "migrate"} <= set(compose["services"])
    for name, service in compose["services"].items():
        for key, value in (service.get("environment") or {}).items():
            assert key.endswith("_FILE") or not any(word in key for word in ("PASSWORD", "SECRET", "TOKEN")), (
                f"{name}: {key}={value}"
            )


def test_docker_accepts_the_compose_file():
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("no docker compose client on this machine")
    done = subprocess.run(
        ["docker", "compose", "-f", "compose.yaml", "config", "-q"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
