import pytest

from runtime.connectors.held_tokens import IN_PROCESS, ProcessTokens
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


@pytest.fixture(autouse=True)
def no_tokens_of_others():
    """A server of a test may get the port of an earlier one."""
    IN_PROCESS.__dict__.update(ProcessTokens().__dict__)
