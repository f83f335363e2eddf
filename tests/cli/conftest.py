from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.witness import FaultyGate


@pytest.fixture
def gate() -> Iterator[FaultyGate]:
    with FaultyGate().running() as made:
        yield made


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """No proxy, token, address or lock file of the machine takes part."""
    for name in ("TILLGATE_URL", "TILLGATE_TOKEN", "http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
