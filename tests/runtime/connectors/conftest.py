import pytest

from sandbox.client import Sandbox


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    """The real emulators in a process of their own: ERP, store servers, loyalty engine."""
    with Sandbox(state=tmp_path_factory.mktemp("sandbox"), seed=7) as running:
        yield running


@pytest.fixture
def calm(sandbox):
    """No faults before, none after."""
    controls = (sandbox.erp, sandbox.stores, sandbox.loyalty)
    for control in controls:
        control.clear()
    yield sandbox
    for control in controls:
        control.control(release=True)
        control.clear()
