"""The documents that hold a query, always by their index.

The planner prices `@@` as if a tsvector were at hand; the long ones are stored out of line, and reading them all costs a hundred
times what the index costs. A function with its own setting keeps that choice away from the planner, in one round trip.
"""

from django.db import migrations

MATCHES = """
create function catalog_search_matches(query tsquery) returns setof bigint language sql stable parallel safe rows 500
  set enable_seqscan = off as $$ select api_id from catalog_apisearch where document @@ query $$
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]
    operations = [migrations.RunSQL(MATCHES, "drop function catalog_search_matches(tsquery)")]
