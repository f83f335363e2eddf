"""Whether an answer says itself that it goes on elsewhere: what it does not show is then not known to be missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from runtime.connectors.answers import Answer, plain_name
from runtime.connectors.failure_marks import is_empty
from runtime.domain.json_paths import steps

_MORE = frozenset(
    [
        *("next", "nextpage", "nextlink", "nexturl", "nexthref", "nexttoken", "nextpagetoken", "nextcursor"),
        *("continuation", "continuationtoken", "hasmore", "hasnext", "hasnextpage", "more", "morerecords"),
        *("truncated", "istruncated", "incomplete", "incompleteresults", "partial"),
        *("@odata.nextlink", "odata.nextlink"),
    ]
)
_TOTAL = frozenset(
    [
        *("count", "total", "totalcount", "totalresults", "totalitems", "totalelements", "totalrecords"),
        *("@odata.count", "odata.count"),
    ]
)
_PAGES = frozenset(["totalpages", "pagecount", "pages"])
_LINK = re.compile(r"""rel\s*=\s*(?:"[^"]*\bnext\b|next\b)""", re.IGNORECASE)
_AROUND = frozenset(["links", "link", "paging", "pagination", "page", "pageinfo", "meta", "metadata"])


def goes_on(answer: Answer, shown: int) -> str:
    """By which member or header an answer with so many entries says that there are more; empty where by none."""
    return mark_of_more(answer.document, answer.headers, shown)


def mark_of_more(
    document: Any, headers: Mapping[str, str], shown: float, *, pages: float = 1, path: str = "", link: bool = True
) -> str:
    """As above, after so many entries on so many pages, of which the last one is `document`: also beside the entries,
    which stand at `path`. `link`: whether a header may say it."""
    if link and _LINK.search(headers.get("link", "")):
        return "Link"
    before, around = "", document
    for step in steps(path) or ("",):
        if not isinstance(around, dict):
            return ""
        if found := _said(around, shown, pages, around=True):
            return before + found
        before, around = f"{before}{step}.", around.get(step)
    return ""


def _said(document: dict[str, Any], shown: float, pages: float, *, around: bool) -> str:
    for name, value in document.items():
        plain = plain_name(name)
        if plain in _MORE and not is_empty(value) and value not in ("false", "null", "0", 0):
            return name
        number = value if isinstance(value, int) and not isinstance(value, bool) else 0
        if (plain in _TOTAL and number > shown) or (plain in _PAGES and number > pages):
            return name
        if not around or plain not in _AROUND:
            continue
        if isinstance(value, dict) and (inside := _said(value, shown, pages, around=False)):
            return f"{name}.{inside}"
        if isinstance(value, list) and any(isinstance(one, dict) and one.get("rel") == "next" for one in value):
            return name
    return ""
