import pytest
from django.db import connection

pytestmark = pytest.mark.django_db


def test_the_views_that_the_worker_joins_are_there_and_empty():
    with connection.cursor() as cursor:
        for view in ("governance_valid_approval", "governance_active_freeze", "governance_blocking_check"):
            cursor.execute(f"select * from {view}")
            assert cursor.fetchall() == []
