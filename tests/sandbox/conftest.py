"""One sandbox process for the folder; every test starts without faults and with the settings a fresh process has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.client import Control, Sandbox

ODATA = "/sap/opu/odata/sap"


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(state=tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def fresh(process: Sandbox) -> dict[str, dict[str, object]]:
    return {name: Control(port).state()["settings"] for name, port in process.ports.items()}


@pytest.fixture
def sandbox(process: Sandbox, fresh: dict[str, dict[str, object]]) -> Sandbox:
    for name, port in process.ports.items():
        Control(port).control(clear=True, release=True, offline=False, set=fresh[name], seed=1, auth="restore")
    return process


@pytest.fixture
def erp(sandbox: Sandbox) -> Iterator[httpx.Client]:
    headers = {"Accept": "application/json"}
    with httpx.Client(
        base_url=sandbox.erp.url,
        auth=("TILLGATE", "sandbox"),
        headers=headers,
        timeout=10,
        verify=False,
        trust_env=False,
    ) as client:
        yield client


@pytest.fixture
def signed(erp: httpx.Client) -> httpx.Client:
    """The ERP client with a CSRF token and its cookies."""
    answer = erp.get(f"{ODATA}/API_SALES_ORDER_SRV/", headers={"X-CSRF-Token": "Fetch"})
    erp.headers["X-CSRF-Token"] = answer.headers["x-csrf-token"]
    return erp


@pytest.fixture
def stores(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{sandbox.stores.url}/stores", timeout=10, verify=False, trust_env=False) as client:
        yield client


@pytest.fixture
def loyalty(sandbox: Sandbox) -> Iterator[httpx.Client]:
    headers = {"Authorization": "ApiKey-v1 sandbox"}
    with httpx.Client(
        base_url=f"{sandbox.loyalty.url}/v1/loyalty_programs/1",
        headers=headers,
        timeout=10,
        verify=False,
        trust_env=False,
    ) as client:
        yield client


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"
