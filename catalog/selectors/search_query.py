"""How typed words are read: as stems, as beginnings, and as the nearest words that any document holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction

from catalog.domain import naming, typo_correction
from catalog.domain.search_criteria import MAX_WORDS
from kernel.viewer import SYSTEM, Viewer

NEAREST: Final = 4


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """Two tsqueries: `strict` meets what the present versions hold, `wide` also words of older live versions
    (`~word`)."""

    strict: str
    wide: str


@dataclass(frozen=True, slots=True)
class ParsedSearch:
    """How the words were read. `tsquery` is None where there are no words; `any_of` asks for any instead of all of
    them; `corrected` maps a word that nothing holds to the nearest words that something holds; `unsure` says that some
    words merely begin others."""

    tsquery: SearchQuery | None
    corrected: dict[str, list[str]]
    any_of: SearchQuery | None = None
    unsure: bool = False


_WORDS = """
select w.raw,
       coalesce((ts_lexize('english_stem', w.raw))[1],
                case when ts_lexize('english_stem', w.raw) = '{}' then null else w.raw end) as stem,
       exists (select 1
                 from catalog_searchword s
                where s.word = coalesce((ts_lexize('english_stem', w.raw))[1], w.raw){seen}) as known,
       exists (select 1 from catalog_searchword s where s.word like w.raw || '%%'{seen}) as begins
  from unnest(%(raw)s::text[]) with ordinality as w (raw, n)
 order by w.n
"""

_NEAREST = """
select w.raw,
       array(select s.word
               from catalog_searchword s
              where s.word %% w.raw
                and length(s.word) between length(w.raw) - 2 and length(w.raw) + 3
                {seen}
              order by similarity(s.word, w.raw) desc, s.word
              limit 60)
  from unnest(%(raw)s::text[]) as w (raw)
"""
# A word that stands in restricted APIs alone is no word for those who may not see them.
_SEEN = """
                  and exists (
                    select 1
                      from catalog_apisearch d
                     where d.document @@ (select format($$'%%s' | '~%%s'$$, bare, bare)::tsquery
                                            from translate(s.word, $$'\\$$, '') bare)
                       and {visible})"""
_THRESHOLD = "select set_config('pg_trgm.similarity_threshold', %s, true)"


def threshold(length: int) -> str:
    """The trigram similarity that a word of this length cannot fall below by the edits that `typo_correction.nearest`
    allows.

    A word of n letters has n + 1 trigrams; one edit spoils three of them, a swap of two letters four, two edits six.
    Two swapped letters leave a short word a fifth; two edits leave ten letters 5/17. A higher threshold spares most of
    the comparing.
    """
    return "0.25" if length >= 10 else "0.2" if length >= 8 else "0.15"


def visibility(viewer: Viewer, params: dict[str, Any]) -> str:
    """The rule of `permissions.seen_by` as SQL over `catalog_apisearch` or `catalog_apifacets`; adds its parameters."""
    if viewer.sees_everything:
        return "true"
    if viewer.user is None:
        return "false"
    params["teams"] = sorted(viewer.team_ids)
    return "(not restricted or team_ids && %(teams)s::int[])"


def understand(q: str, *, viewer: Viewer, fuzzy: bool = False, known_to_viewer: bool = True) -> ParsedSearch:
    """Words to tsqueries: each by its stem or as a beginning; a word that no document holds by its nearest neighbours
    (trigrams over the vocabulary), so that `invntory` finds inventory. With `fuzzy` also words that merely begin other
    words get neighbours; `unsure` says that there are such words.

    A word that stands only in what the viewer may not see is read like one that stands nowhere. That is looked up in
    the documents; where an answer with results makes it needless, `known_to_viewer` False saves it.
    """
    raw = list(dict.fromkeys(naming.words(q)))[:MAX_WORDS]
    joined = [w.lower() for w in re.findall(r"[0-9A-Za-zÀ-ɏ]+", q)]
    raw = joined[:MAX_WORDS] if len(joined) == len(raw) else raw
    if not raw:
        return ParsedSearch(None, {})
    with connection.cursor() as cursor:
        cursor.execute(*_statement(_WORDS, raw, viewer if known_to_viewer else SYSTEM))
        read = cursor.fetchall()
    strange = {
        w: stem for w, stem, known, begins in read if stem and not known and (fuzzy or not begins) and len(w) > 2
    }
    nearest = _neighbours(strange, viewer) if strange else {}
    strict, wide = [], []
    for word, stem, known, begins in read:
        if not stem:
            continue
        terms = [stem] if known else []
        beginnings = [word] if begins and len(word) > 1 else []
        terms += nearest.get(word, [])
        terms = terms if terms or beginnings else [stem]
        plain = [quoted(t) for t in terms] + [f"{quoted(w)}:*" for w in beginnings]
        # A word that is known as a whole is not looked for as a beginning among older versions: that would read most.
        older = [quoted(f"~{t}") for t in terms] + ([] if known else [f"{quoted(f'~{w}')}:*" for w in beginnings])
        strict.append(f"({' | '.join(plain)})")
        wide.append((plain, older))
    if not strict:
        return ParsedSearch(None, nearest)
    marked = " | ".join(term for _, older in wide for term in older)
    # One word needs no repetition of what `strict` finds; several words may stand one here, one there.
    both = marked if len(wide) == 1 else " & ".join(f"({' | '.join(plain + older)})" for plain, older in wide)
    unsure = any(begins and not known and len(word) > 2 for word, _, known, begins in read)
    return ParsedSearch(SearchQuery(" & ".join(strict), both), nearest, SearchQuery(" | ".join(strict), marked), unsure)


def _statement(text: str, raw: list[str], viewer: Viewer) -> tuple[str, dict[str, Any]]:
    """The statement about these words, with what the viewer may see in it."""
    parameters: dict[str, Any] = {"raw": raw}
    seen = "" if viewer.sees_everything else _SEEN.format(visible=visibility(viewer, parameters))
    return text.replace("{seen}", seen), parameters


def _neighbours(strange: dict[str, str], viewer: Viewer) -> dict[str, list[str]]:
    """The nearest words that the viewer may know for each strange one; `strange` maps words to their stems."""
    found: dict[str, list[str]] = {}
    with transaction.atomic(), connection.cursor() as cursor:  # the threshold ends with the transaction
        cursor.execute(_THRESHOLD, [threshold(min(map(len, strange)))])
        cursor.execute(*_statement(_NEAREST, list(strange), viewer))
        for word, candidates in cursor.fetchall():
            close = typo_correction.nearest(word, candidates, limit=NEAREST) or typo_correction.nearest(
                strange[word], candidates, limit=NEAREST
            )
            if close:
                found[word] = close
    return found


def quoted(word: str) -> str:
    """A lexeme as a tsquery writes it."""
    return "'" + word.replace("'", "").replace("\\", "") + "'"
