"""What every test may use: the place of the shared real data, and a clean slate for process-wide state."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import django.test
import pytest
from hypothesis import HealthCheck, settings

from tests import clean_slate, kept_sessions, serving_rights

ROOT = Path(__file__).resolve().parent.parent

# The same examples every time: a delivery is not stopped by luck. HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real retail data beside the repository; absent in a user's own clone."""
    folder = Path(os.environ.get("TILLGATE_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is not at {folder}; set TILLGATE_SHARED to the folder that holds data/")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _empty_what_was_filled():
    """After a test that commits, what it filled is emptied, where Django would truncate every table."""
    plain = django.test.TransactionTestCase._fixture_teardown
    reload = django.test.TransactionTestCase._should_reload_connections
    django.test.TransactionTestCase._fixture_teardown = clean_slate.after_a_test
    django.test.TransactionTestCase._should_reload_connections = kept_sessions.must_be_opened_anew
    yield
    kept_sessions.close()
    django.test.TransactionTestCase._fixture_teardown = plain
    django.test.TransactionTestCase._should_reload_connections = reload


@pytest.fixture(autouse=True, scope="session")
def _says_what_the_serving_role_may():
    """The product is refused here what the database would refuse it in production."""
    with serving_rights.in_force():
        yield


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """On the throw-away server nothing is dropped at the end: the server goes with everything in it, open sessions
    included."""
    return bool(os.environ.get("TEST_DATABASE_TEMPLATE"))


def pytest_collection() -> None:
    """Collecting makes no garbage to speak of."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What is in memory once all tests are collected stays until the end: garbage is no longer looked for in it, and
    less often. A third of a page test's time was the collector walking over modules and models."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
