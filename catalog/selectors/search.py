"""Search and browse over one denormalised table: words with ranking and typo tolerance, facets with counts, visibility inside."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection

from catalog.domain import spelling, words
from catalog.domain.browse import FACETS, MAX_WORDS, NONE, PAGE_SIZE, Criteria
from kernel.viewer import Viewer

_COLUMN = {name: name for name in FACETS} | {"data": "data_class", "state": "states"}
_SHORT = ("domain", "layer", "style", "tier", "data")
_ORDER = {
    "best": "rank desc, calls desc nulls last, name, api_id",
    "used": "calls desc nulls last, consumers desc, name, api_id",
    "newest": "changed_at desc, api_id desc",
    "name": "name, api_id",
}
_LINE = (
    "api_id, slug, name, purpose, domain, layer, style, tier, data_class, system, team, team_name, record_names, versions, consumers, "
    "calls, judged, restricted, changed_at"
)


_MATCHES = "api_id in (select catalog_search_matches(%(q)s::tsquery))"


@dataclass(frozen=True, slots=True)
class Understood:
    """How the words were read. `tsquery` is None where there are no words; `corrected` maps a word that nothing holds to the
    nearest words that something holds."""

    tsquery: str | None
    corrected: dict[str, list[str]]
    any_of: str | None = None
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Results:
    """One page of result lines, the total, and the counts of each facet under the other facets' choice."""

    rows: list[dict[str, Any]]
    total: int
    facets: dict[str, list[tuple[str, int]]]
    understood: Understood
    loose: bool = False

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_SIZE))


_WORDS = """
select w.raw, coalesce((ts_lexize('english_stem', w.raw))[1], case when ts_lexize('english_stem', w.raw) = '{}' then null else w.raw end) as stem,
       exists(select 1 from catalog_searchword s where s.word = coalesce((ts_lexize('english_stem', w.raw))[1], w.raw)) as known,
       exists(select 1 from catalog_searchword s where s.word like w.raw || '%%') as begins
  from unnest(%s::text[]) with ordinality as w(raw, n) order by w.n
"""

_NEAREST = """
select w.raw, array(select s.word from catalog_searchword s where s.word %% w.raw and length(s.word) between length(w.raw) - 2 and length(w.raw) + 3
                     order by similarity(s.word, w.raw) desc, s.word limit 60)
  from unnest(%s::text[]) as w(raw)
"""
# Two swapped letters leave a short word a fifth of its trigrams; edits then decide.
_THRESHOLD = "select set_config('pg_trgm.similarity_threshold', '0.15', false)"
NEAREST = 4


def understand(q: str, *, fuzzy: bool = False) -> Understood:
    """Words to a tsquery: each by its stem or as a beginning; a word that no document holds by its nearest neighbours
    (trigrams over the vocabulary), so that `invntory` finds inventory. With `fuzzy` also words that merely begin other words
    get neighbours; `unsure` says that there are such words."""
    raw = list(dict.fromkeys(words.words(q)))[:MAX_WORDS]
    joined = [w.lower() for w in re.findall(r"[0-9A-Za-zÀ-ɏ]+", q)]
    raw = joined[:MAX_WORDS] if len(joined) == len(raw) else raw
    if not raw:
        return Understood(None, {})
    with connection.cursor() as cursor:
        cursor.execute(_WORDS, [raw])
        read = cursor.fetchall()
        strange = {w: stem for w, stem, known, begins in read if stem and not known and (fuzzy or not begins) and len(w) > 2}
        nearest: dict[str, list[str]] = {}
        if strange:
            cursor.execute(_THRESHOLD)
            cursor.execute(_NEAREST, [list(strange)])
            for word, found in cursor.fetchall():
                close = spelling.nearest(word, found, limit=NEAREST) or spelling.nearest(strange[word], found, limit=NEAREST)
                if close:
                    nearest[word] = close
    parts = []
    for word, stem, known, begins in read:
        if not stem:
            continue
        terms = [_quoted(stem)] if known else []
        terms += [f"{_quoted(word)}:*"] if begins and len(word) > 1 else []
        terms += [_quoted(near) for near in nearest.get(word, [])]
        parts.append("(" + " | ".join(terms or [_quoted(stem)]) + ")")
    unsure = any(begins and not known and len(word) > 2 for word, _, known, begins in read)
    return Understood(" & ".join(parts) or None, nearest, " | ".join(parts) or None, unsure)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "").replace("\\", "") + "'"


def visibility(viewer: Viewer, params: dict[str, Any]) -> str:
    """The rule of `permissions.seen_by` as SQL over `catalog_apisearch`; adds its parameters."""
    if viewer.sees_everything:
        return "true"
    if viewer.user is None:
        return "false"
    params["teams"] = sorted(viewer.team_ids)
    return "(not restricted or team_ids && %(teams)s::int[])"


def _clauses(chosen: Iterable[tuple[str, tuple[str, ...]]], params: dict[str, Any]) -> dict[str, str]:
    """One SQL condition per chosen facet."""
    made = {}
    for name, values in chosen:
        params[f"f_{name}"] = ["" if v == NONE else v for v in values]
        made[name] = (
            f"{_COLUMN[name]} && %(f_{name})s::varchar[]"
            if name == "state"
            else f"{_COLUMN[name]} = any(%(f_{name})s::varchar[])"
        )
    return made


def browse(criteria: Criteria, *, viewer: Viewer, facets: bool = True) -> Results:
    """One page with its counts: two statements without words (page, counts), three with them (vocabulary), four where a word is
    strange (neighbours). Where no API holds all words, those that hold any of them are shown, and `loose` says so."""
    understood = understand(criteria.q)
    query, loose = understood.tsquery, False
    rows = _page(criteria, query, viewer)
    if not rows and criteria.page == 1 and understood.unsure:
        understood = understand(criteria.q, fuzzy=True)
        query = understood.tsquery
        rows = _page(criteria, query, viewer)
    if not rows and criteria.page == 1 and understood.any_of and " & " in (query or ""):
        query, loose = understood.any_of, True
        rows = _page(criteria, query, viewer)
    counted, total = count_facets(criteria, query, viewer=viewer) if facets else ({}, count(criteria, query, viewer=viewer))
    return Results(rows, total, counted, understood, loose)


def _where(criteria: Criteria, tsquery: str | None, viewer: Viewer) -> tuple[str, dict[str, Any]]:
    params: dict[str, Any] = {"q": tsquery}
    where = [visibility(viewer, params), *_clauses(criteria.chosen.items(), params).values()]
    if tsquery is not None:
        where.append(_MATCHES)
    return " and ".join(where), params


def _page(criteria: Criteria, tsquery: str | None, viewer: Viewer) -> list[dict[str, Any]]:
    if criteria.q and tsquery is None:
        return []
    where, params = _where(criteria, tsquery, viewer)
    params |= {"exact": criteria.q.lower(), "limit": PAGE_SIZE, "offset": (criteria.page - 1) * PAGE_SIZE}
    rank = "0"
    if tsquery is not None and criteria.order == "best":
        rank = "ts_rank('{0.05,0.2,0.5,1}', head, %(q)s::tsquery) + case when lower(name) = %(exact)s or slug = %(exact)s then 2 else 0 end"
    order = _ORDER[criteria.order]
    sql = f"""with chosen as (select api_id as id, {rank} as rank from catalog_apisearch where {where} order by {order} limit %(limit)s offset %(offset)s)
        select {_LINE} from chosen join catalog_apisearch s on s.api_id = chosen.id order by {order}"""  # noqa: S608 - our own column names
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        names = [c.name for c in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        row["versions"] = orjson.loads(row["versions"])  # Django leaves jsonb of plain cursors as text
    return rows


def count(criteria: Criteria, tsquery: str | None, *, viewer: Viewer) -> int:
    """How many APIs the words and all chosen facets leave."""
    if criteria.q and tsquery is None:
        return 0
    where, params = _where(criteria, tsquery, viewer)
    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) from catalog_apisearch where {where}", params)  # noqa: S608 - our own column names
        (n,) = cursor.fetchone()
    return int(n)


def count_facets(criteria: Criteria, tsquery: str | None, *, viewer: Viewer) -> tuple[dict[str, list[tuple[str, int]]], int]:
    """Counts of every facet value among what the words and the *other* facets leave, most frequent first; and the total."""
    counted: dict[str, list[tuple[str, int]]] = {name: [] for name in FACETS}
    if criteria.q and tsquery is None:
        return counted, 0
    params: dict[str, Any] = {"q": tsquery}
    where = [visibility(viewer, params)]
    if tsquery is not None:
        where.append(_MATCHES)
    clauses = _clauses(criteria.chosen.items(), params)
    total = 0
    everything = " and ".join(clauses.values()) or "true"
    # Few combinations of the short lists exist, so rows are first counted by combination, in one pass, and those are added up.
    short = [_COLUMN[name] for name in _SHORT if name not in clauses]
    combined, selects = _by_combination(short, everything)
    for name in FACETS:
        if name in clauses or name not in _SHORT:
            others = " and ".join(c for n, c in clauses.items() if n != name) or "true"
            if name == "state":
                counted_states = f"(select states, count(*) as n from hits where {others} group by states) x"  # noqa: S608
                selects.append(f"select 'state', unnest(states), sum(n)::bigint from {counted_states} group by 2")  # noqa: S608
            else:
                selects.append(f"select '{name}', {_COLUMN[name]}, count(*) from hits where {others} group by 2")  # noqa: S608
    sql = f"""with hits as materialized (
        select domain, states, layer, style, tier, data_class, system, team from catalog_apisearch where {" and ".join(where)}){combined}
        {" union all ".join(selects)}"""  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        for name, value, n in cursor.fetchall():
            if name == "total":
                total = n
            else:
                counted[name].append((value or NONE, n))
    for name in FACETS:
        missing = [(v, 0) for v in criteria.chosen.get(name, ()) if v not in {value for value, _ in counted[name]}]
        counted[name] = sorted(counted[name] + missing, key=lambda pair: (-pair[1], pair[0]))
    return counted, total


def _by_combination(short: list[str], everything: str) -> tuple[str, list[str]]:
    """A further CTE, and the statement that reads the counts of the short lists and the total from it."""
    if not short:
        return "", [f"select 'total', '', count(*) from hits where {everything}"]  # noqa: S608
    listed = ", ".join(short)
    facet_of = {column: name for name, column in _COLUMN.items()}
    case = " ".join(f"when grouping({c}) = 0 then '{facet_of[c]}'" for c in short)
    sets = ", ".join(f"({c})" for c in short)
    combined = f", combined as (select {listed}, count(*) as n from hits where {everything} group by {listed})"  # noqa: S608
    return combined, [
        f"select case {case} else 'total' end, coalesce({listed}, ''), coalesce(sum(n), 0)::bigint from combined group by grouping sets ({sets}, ())"  # noqa: S608
    ]


def close_to(title: str, *, viewer: Viewer, limit: int = 3) -> list[tuple[str, str]]:
    """(slug, name) of APIs whose names share the telling words of a title: a hint against registering twice."""
    telling = words.telling_words(title)[:6]
    if not telling:
        return []
    params: dict[str, Any] = {"any": " | ".join(_quoted(w) for w in telling), "limit": limit}
    visible = visibility(viewer, params)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select slug, name from catalog_apisearch, to_tsquery('english', %(any)s) q
                 where {visible} and document @@ q and head @@ q order by ts_rank('{{0,0,0,1}}', head, q) desc, name limit %(limit)s""",  # noqa: S608
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
