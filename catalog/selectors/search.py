"""Search and browse over denormalised tables: words with ranking and typo tolerance, facets with counts, visibility
inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from django.db import connection

from catalog.domain import naming
from catalog.domain.lifecycle import STATES
from catalog.domain.search_criteria import CODES, FACETS, NONE, PAGE_SIZE, Criteria
from catalog.selectors.search_query import ParsedSearch, SearchQuery, quoted, understand, visibility
from kernel.viewer import Viewer

_COLUMN: Final = {name: name for name in FACETS} | {"state": "states"}
# Few combinations of the short lists exist: rows are first counted by combination, and those are added up.
_SHORT: Final = ("domain", "layer", "style", "tier", "data")
_LONG: Final = ("system", "team", "state")
_NAMED: Final = {
    "domain": ("catalog_domain", "id"),
    "system": ("catalog_system", "id"),
    "team": ("catalog_team", "group_id"),
}
_ORDER: Final = {
    "best": "rank desc, calls desc nulls last, name, api_id",
    "used": "calls desc nulls last, consumers desc, name, api_id",
    "newest": "changed_at desc, api_id desc",
    "name": "name, api_id",
}
_LINE: Final = (
    "api_id, slug, name, purpose, domain, layer, style, tier, data_class, system, team, team_name, record_names, "
    "versions, consumers, calls, judged, restricted, changed_at"
)

Counts = dict[str, list[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class SearchResults:
    """One page of result lines, the total, and the counts of each facet under the other facets' choice."""

    rows: list[dict[str, Any]]
    total: int
    facets: Counts
    understood: ParsedSearch
    loose: bool = False

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_SIZE))


@dataclass(slots=True)
class _Answer:
    """What one statement answered: ids of the page in order, counts by facet, the total."""

    ids: list[int] = field(default_factory=list)
    counted: Counts = field(default_factory=lambda: {name: [] for name in FACETS})
    total: int = 0


def _conditions(criteria: Criteria, params: dict[str, Any]) -> dict[str, str]:
    """One SQL condition over `catalog_apifacets` per chosen facet; what names nothing leaves nothing."""
    made = {}
    for name, values in criteria.chosen.items():
        if name in _NAMED:
            table, key = _NAMED[name]
            params |= {f"f_{name}": [v for v in values if v != NONE], f"n_{name}": NONE in values}
            named = f"select {key} from {table} where key = any(%(f_{name})s::varchar[])"  # noqa: S608
            ids = f"{named} union all select 0 where %(n_{name})s"
            made[name] = f"{name} = any(array({ids}))"
        elif name == "state":
            params["f_state"] = sum(1 << STATES.index(v) for v in set(values) if v in STATES)
            made[name] = "states & %(f_state)s::smallint <> 0"
        else:
            known = CODES[name]
            params[f"f_{name}"] = [known.index("" if v == NONE else v) for v in values if v == NONE or v in known[1:]]
            made[name] = f"{name} = any(%(f_{name})s::smallint[])"
    return made


def browse(criteria: Criteria, *, viewer: Viewer) -> SearchResults:
    """One page with its counts: two statements without words (ids and counts, lines), three with them (vocabulary),
    four where a word is strange (neighbours), and once more where nothing is found.

    Where no API holds all words, those that hold any of them are shown, and `loose` says so.
    """
    understood = understand(criteria.q, viewer=viewer, known_to_viewer=False)
    query, loose = understood.tsquery, False
    found = _ask(criteria, query, viewer, page=True, facets=True)
    if not found.ids and query and not viewer.sees_everything:
        # Each word stands somewhere, but perhaps only in what the viewer may not see.
        understood = understand(criteria.q, viewer=viewer)
        query = understood.tsquery
        found = _ask(criteria, query, viewer, page=True, facets=True)
    if not found.ids and criteria.page == 1 and understood.unsure:
        understood = understand(criteria.q, viewer=viewer, fuzzy=True)
        query = understood.tsquery
        found = _ask(criteria, query, viewer, page=True, facets=True)
    if not found.ids and criteria.page == 1 and query and understood.any_of and " & " in query.strict:
        found, loose = _ask(criteria, understood.any_of, viewer, page=True, facets=True), True
    return SearchResults(_lines(found.ids), found.total, found.counted, understood, loose)


def page(criteria: Criteria, query: SearchQuery | None, *, viewer: Viewer) -> list[dict[str, Any]]:
    """The lines of the page alone."""
    return _lines(_ask(criteria, query, viewer, page=True, facets=False).ids)


def count_facets(criteria: Criteria, query: SearchQuery | None, *, viewer: Viewer) -> tuple[Counts, int]:
    """Counts of every facet value among what the words and the *other* facets leave, most frequent first; and the
    total."""
    found = _ask(criteria, query, viewer, page=False, facets=True)
    return found.counted, found.total


def _ask(criteria: Criteria, query: SearchQuery | None, viewer: Viewer, *, page: bool, facets: bool) -> _Answer:
    """Page and counts in one statement, so that the words are looked up once."""
    if criteria.q and query is None:
        return _Answer(counted=_with_chosen({name: [] for name in FACETS}, criteria))
    params: dict[str, Any] = {"limit": PAGE_SIZE, "offset": (criteria.page - 1) * PAGE_SIZE}
    conditions = _conditions(criteria, params)
    visible = visibility(viewer, params)
    flags = "".join(f", {condition} as ok_{name}" for name, condition in conditions.items())
    columns = ", ".join(f"f.{_COLUMN[name]}" for name in FACETS)
    if query is not None:
        params |= {
            "strict": query.strict,
            "wide": query.wide,
            "exact": criteria.q.lower(),
            "ranked": page and criteria.order == "best",
        }
        source = (
            "catalog_search_hits(%(strict)s::tsquery, %(wide)s::tsquery, %(exact)s, %(ranked)s) m"
            " join catalog_apifacets f on f.api_id = m.api_id"
        )
        hits = f"hits as materialized (select m.*, {columns}{flags} from {source} where {visible})"  # noqa: S608
        parts = [_page_of_hits(conditions, criteria)] if page else []
    else:
        hits = f"hits as materialized (select {columns}{flags} from catalog_apifacets f where {visible})"  # noqa: S608
        parts = [_page_of_all(conditions, criteria, visible)] if page else []
    ctes, counting = _counting(conditions) if facets else ([], [])
    union = " union all ".join([*parts, *counting])
    sql = f"""with {", ".join([hits, *ctes])}
        select x.kind, x.value, x.n, coalesce(d.key, t.key, s.key)
          from ({union}) x (kind, value, n)
          left join catalog_domain d on x.kind = 'domain' and d.id = x.value
          left join catalog_team t on x.kind = 'team' and t.group_id = x.value
          left join catalog_system s on x.kind = 'system' and s.id = x.value"""  # noqa: S608 - our own column names
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return _answer(cursor.fetchall(), criteria)


def _page_of_hits(conditions: dict[str, str], criteria: Criteria) -> str:
    chosen = " and ".join(f"ok_{name}" for name in conditions) or "true"
    order = _ORDER[criteria.order]
    return f"""select 'page', p.api_id, row_number() over () from (
        select api_id from hits where {chosen} order by {order} limit %(limit)s offset %(offset)s) p"""  # noqa: S608


def _page_of_all(conditions: dict[str, str], criteria: Criteria, visible: str) -> str:
    """Without words the order has an index, and nothing but the page is read."""
    chosen = " and ".join(f"f.{condition}" for condition in conditions.values()) or "true"
    order = _ORDER["name" if criteria.order == "best" else criteria.order].replace("api_id", "s.api_id")
    seen = visible.replace("restricted", "f.restricted").replace("team_ids", "f.team_ids")
    return f"""select 'page', p.api_id, row_number() over () from (
        select s.api_id from catalog_apisearch s join catalog_apifacets f on f.api_id = s.api_id
         where {seen} and {chosen} order by {order} limit %(limit)s offset %(offset)s) p"""  # noqa: S608


def _counting(conditions: dict[str, str]) -> tuple[list[str], list[str]]:
    """(further CTEs, selects): the total, and the counts of each facet under the choice of the others."""
    everything = " and ".join(f"ok_{name}" for name in conditions) or "true"
    short, long = ([name for name in names if name not in conditions] for names in (_SHORT, _LONG))
    ctes, selects = [], []
    if short:
        listed = ", ".join(short)
        combined = f"select {listed}, count(*) as n from hits where {everything} group by {listed}"  # noqa: S608
        ctes.append(f"combined as ({combined})")
        selects.append(_sets(short, "combined", "coalesce(sum(n), 0)::bigint", total=True))
    else:
        selects.append(f"select 'total', 0::bigint, count(*) from hits where {everything}")  # noqa: S608
    if long:
        selects.append(_sets(long, f"hits where {everything}", "count(*)", total=False))
    for name in conditions:
        others = " and ".join(f"ok_{other}" for other in conditions if other != name) or "true"
        counted = f"{_COLUMN[name]}::bigint, count(*) from hits where {others} group by 2"
        selects.append(f"select '{name}', {counted}")
    return ctes, selects


def _sets(names: list[str], source: str, counted: str, *, total: bool) -> str:
    columns = [_COLUMN[name] for name in names]
    case = " ".join(f"when grouping({column}) = 0 then '{name}'" for name, column in zip(names, columns, strict=True))
    sets = ", ".join(f"({column})" for column in columns)
    return f"""select case {case} else 'total' end, coalesce({", ".join(columns)}, 0)::bigint, {counted} from {source}
        group by grouping sets ({sets}{", ()" if total else ""})"""  # noqa: S608


def _answer(rows: list[tuple[str, int, int, str | None]], criteria: Criteria) -> _Answer:
    made = _Answer()
    placed: list[tuple[int, int]] = []
    states = [0] * len(STATES)
    for kind, value, n, key in rows:
        if kind == "page":
            placed.append((n, value))
        elif kind == "total":
            made.total = n
        elif kind == "state":
            for place in range(len(STATES)):
                if value >> place & 1:
                    states[place] += n
        else:
            made.counted[kind].append((key or NONE if kind in _NAMED else CODES[kind][value] or NONE, n))
    made.counted["state"] = [(state, n) for state, n in zip(STATES, states, strict=True) if n]
    made.ids = [api_id for _, api_id in sorted(placed)]
    made.counted = _with_chosen(made.counted, criteria)
    return made


def _with_chosen(counted: Counts, criteria: Criteria) -> Counts:
    """Most frequent first; a chosen value stays in its list, even at nought."""
    for name in FACETS:
        present = {value for value, _ in counted[name]}
        missing = [(v, 0) for v in criteria.chosen.get(name, ()) if v not in present]
        counted[name] = sorted(counted[name] + missing, key=lambda pair: (-pair[1], pair[0]))
    return counted


def _lines(ids: list[int]) -> list[dict[str, Any]]:
    """The result lines of these APIs, in this order."""
    if not ids:
        return []
    sql = f"select {_LINE} from catalog_apisearch where api_id = any(%s)"  # noqa: S608 - our own column names
    with connection.cursor() as cursor:
        cursor.execute(sql, [ids])
        names = [c.name for c in cursor.description or ()]
        rows = {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}
    for row in rows.values():
        row["versions"] = orjson.loads(row["versions"])  # Django leaves jsonb of plain cursors as text
    return [rows[api_id] for api_id in ids if api_id in rows]


def close_to(title: str, *, viewer: Viewer, limit: int = 3) -> list[tuple[str, str]]:
    """(slug, name) of APIs whose names share the distinctive words of a title: a hint against registering an API
    twice."""
    telling = naming.telling_words(title)[:6]
    if not telling:
        return []
    params: dict[str, Any] = {"any": " | ".join(quoted(w) for w in telling), "limit": limit}
    visible = visibility(viewer, params)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select slug, name
                  from catalog_apisearch, to_tsquery('english', %(any)s) q
                 where {visible} and document @@ q and head @@ q
                 order by ts_rank('{{0,0,0,1}}', head, q) desc, name
                 limit %(limit)s""",  # noqa: S608
            params,
        )
        return cursor.fetchall()


def names_of_facets() -> dict[str, dict[str, str]]:
    """What people read for the keys of domain, team and system, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select 'domain', key, name from catalog_domain union all select 'team', key, name from catalog_team "
            "union all select 'system', key, name from catalog_system"
        )
        made: dict[str, dict[str, str]] = {"domain": {}, "team": {}, "system": {}}
        for facet, key, name in cursor.fetchall():
            made[facet][key] = name
    return made
