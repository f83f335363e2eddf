"""How typed words are read: as stems, as beginnings, and as the nearest words that any document holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction

from catalog.domain import naming, typo_correction
from catalog.domain.search_criteria import MAX_WORDS

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
                where s.word = coalesce((ts_lexize('english_stem', w.raw))[1], w.raw)) as known,
       exists (select 1 from catalog_searchword s where s.word like w.raw || '%%') as begins
  from unnest(%s::text[]) with ordinality as w (raw, n)
 order by w.n
"""

_NEAREST = """
select w.raw,
       array(select s.word
               from catalog_searchword s
              where s.word %% w.raw
                and length(s.word) between length(w.raw) - 2 and length(w.raw) + 3
              order by similarity(s.word, w.raw) desc, s.word
              limit 60)
  from unnest(%s::text[]) as w (raw)
"""
_THRESHOLD = "select set_config('pg_trgm.similarity_threshold', %s, true)"


def threshold(length: int) -> str:
    """The trigram similarity that a word of this length cannot fall below by the edits that `typo_correction.nearest`
    allows.

    A word of n letters has n + 1 trigrams; one edit spoils three of them, a swap of two letters four, two edits six.
    Two swapped letters leave a short word a fifth; two edits leave ten letters 5/17. A higher threshold spares most of
    the comparing.
    """
    return "0.25" if length >= 10 else "0.2" if length >= 8 else "0.15"


def understand(q: str, *, fuzzy: bool = False) -> ParsedSearch:
    """Words to tsqueries: each by its stem or as a beginning; a word that no document holds by its nearest neighbours
    (trigrams over the vocabulary), so that `invntory` finds inventory. With `fuzzy` also words that merely begin other
    words get neighbours; `unsure` says that there are such words."""
    raw = list(dict.fromkeys(naming.words(q)))[:MAX_WORDS]
    joined = [w.lower() for w in re.findall(r"[0-9A-Za-zÀ-ɏ]+", q)]
    raw = joined[:MAX_WORDS] if len(joined) == len(raw) else raw
    if not raw:
        return ParsedSearch(None, {})
    with connection.cursor() as cursor:
        cursor.execute(_WORDS, [raw])
        read = cursor.fetchall()
    strange = {
        w: stem for w, stem, known, begins in read if stem and not known and (fuzzy or not begins) and len(w) > 2
    }
    nearest = _neighbours(strange) if strange else {}
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


def _neighbours(strange: dict[str, str]) -> dict[str, list[str]]:
    """The nearest known words of each strange one; `strange` maps words to their stems."""
    found: dict[str, list[str]] = {}
    with transaction.atomic(), connection.cursor() as cursor:  # the threshold ends with the transaction
        cursor.execute(_THRESHOLD, [threshold(min(map(len, strange)))])
        cursor.execute(_NEAREST, [list(strange)])
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
