import pytest

from sandbox.client import Sandbox


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    """The real emulators in a process of their own: ERP, store servers, loyalty engine."""
    with Sandbox(state=tmp_path_factory.mktemp("sandbox"), seed=7) as running:
        yield running


@pytest.fixture
def calm(sandbox):
    """The emulators, with whatever a test orders (faults, hanging calls) taken back afterwards."""
    yield sandbox
    for control in (sandbox.erp, sandbox.stores, sandbox.loyalty):
        control.control(clear=True, release=True)
