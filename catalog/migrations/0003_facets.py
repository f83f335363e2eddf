"""Facets as small numbers in a narrow table. The search function that stood here is in `catalog/sql/`; 0006 makes it."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

FILL = """
insert into catalog_apifacets (api_id, restricted, team_ids, domain, team, system, layer, style, tier, data, states)
select s.api_id, s.restricted, s.team_ids, coalesce(a.domain_id, 0), coalesce(a.owner_team_id, 0), coalesce(a.system_id, 0),
  coalesce(array_position(array['', 'experience', 'process', 'system'], s.layer::text), 1) - 1,
  coalesce(array_position(array['', 'rest', 'odata', 'soap', 'graphql', 'event', 'file'], s.style::text), 1) - 1,
  coalesce(array_position(array['', '0', '1', '2', '3'], s.tier::text), 1) - 1,
  coalesce(array_position(array['', 'public', 'internal', 'personal', 'cardholder'], s.data_class::text), 1) - 1,
  (select coalesce(bit_or(1 << (array_position(array['draft', 'in_review', 'approved', 'published', 'deprecated', 'retired', 'rejected', 'withdrawn'],
                                               x::text) - 1)), 0) from unnest(s.states) x)
from catalog_apisearch s join catalog_api a on a.id = s.api_id
"""


def _number(kind: type[models.Field] = models.SmallIntegerField) -> models.Field:
    return kind(default=0)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_search_matches")]
    operations = [
        migrations.CreateModel(
            name="ApiFacets",
            fields=[
                (
                    "api",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="facets",
                        serialize=False,
                        to="catalog.api",
                    ),
                ),
                ("restricted", models.BooleanField(default=False)),
                ("team_ids", django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=list, size=None)),
                ("domain", _number(models.IntegerField)),
                ("team", _number(models.IntegerField)),
                ("system", _number(models.IntegerField)),
                ("layer", _number()),
                ("style", _number()),
                ("tier", _number()),
                ("data", _number()),
                ("states", _number()),
            ],
            options={"verbose_name_plural": "API facets"},
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
