"""Whether an answer says itself that it goes on elsewhere: what it does not show is then not known to be missing."""

from __future__ import annotations

import re
from typing import Any

from runtime.connectors.answers import Answer, plain_name
from runtime.connectors.failure_marks import is_empty

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
    if _LINK.search(answer.headers.get("link", "")):
        return "Link"
    document = answer.document
    return _said(document, shown, around=True) if isinstance(document, dict) else ""


def _said(document: dict[str, Any], shown: int, *, around: bool) -> str:
    for name, value in document.items():
        plain = plain_name(name)
        if plain in _MORE and not is_empty(value) and value not in ("false", "null"):
            return name
        number = value if isinstance(value, int) and not isinstance(value, bool) else 0
        if (plain in _TOTAL and number > shown) or (plain in _PAGES and number > 1):
            return name
        if not around or plain not in _AROUND:
            continue
        if isinstance(value, dict) and (inside := _said(value, shown, around=False)):
            return f"{name}.{inside}"
        if isinstance(value, list) and any(isinstance(one, dict) and one.get("rel") == "next" for one in value):
            return name
    return ""
