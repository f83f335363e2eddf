"""An XML text without what a parser does not take, with a mark in the place of each piece that was cut out: what is
nested too deeply, and the end of long texts. So one such record costs itself and not its file."""

from __future__ import annotations

import re
from typing import Protocol

from lxml import etree

MOST_LEVELS = 250  # libxml2 stops at 256
DEEP = "\ufdd2"  # stands where something was cut out
LONG = "\ufdd3"  # stands where the end of a text was cut off
TOO_DEEP = f"it is nested deeper than {MOST_LEVELS} levels"
_LONGEST_TEXT = 5_000_000  # characters, as they are written; libxml2 stops at 10 million
TOO_LONG = f"it holds a text of more than {_LONGEST_TEXT} characters"
_LONGEST_TAG = 1_000_000  # characters; behind a longer one nothing is cut out any more
_TAG = re.compile(r"""<(/?)(?:[^<>"'/]++|"[^"]*+"|'[^']*+'|/(?!>))*+(/?)>""")
_SPANS = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>"}  # what begins a piece in which `<` is no tag, and its end
_LONGEST_SIGN = len("<![CDATA[")


class _Readable(Protocol):
    def read(self, size: int = -1) -> bytes: ...


_LIMITS = ("Excessive depth", "Text node too long", "CData section too big", "Comment too big")


def is_about_limits(error: etree.XMLSyntaxError) -> bool:
    """Whether a parser stopped for depth or length of what it read, and for nothing else."""
    return any(one in str(error.msg) for one in _LIMITS)


class ShallowXml:
    """`cuts`: how many marks of depth it has put in so far. `source` gives UTF-8 without half characters."""

    def __init__(self, source: _Readable) -> None:
        self.source, self.depth, self.cuts = source, 0, 0
        self._rest, self._until = "", ""  # what may go on in the next piece; the end of the span that it stands in
        self._run = 0  # characters of text since the last tag, or of the span
        self._lost = False

    def read(self, size: int = -1) -> bytes:
        while True:
            piece = self.source.read(size)
            text, self._rest = self._rest + piece.decode(), ""
            made = text if self._lost else "".join(self._kept(text, last=not piece))
            if made or not piece:
                return made.encode()

    def _kept(self, text: str, *, last: bool) -> list[str]:
        out, at = list[str](), 0
        while at < len(text):
            if self._until:
                at = self._span(text, at, out, last=last)
                continue
            begin = text.find("<", at)
            self._pass_text(text[at : begin if begin >= 0 else len(text)], out)
            if begin < 0:
                break
            at = self._markup(text, begin, out, last=last)
        return out

    def _pass(self, text: str, out: list[str]) -> None:
        if self.depth <= MOST_LEVELS:
            out.append(text)

    def _pass_text(self, text: str, out: list[str]) -> None:
        """What is over the bound is left out."""
        before, room = self._run, max(_LONGEST_TEXT - self._run, 0)
        self._run += len(text)
        if len(text) > room:
            text = text[:room]
            if (begin := text.rfind("&")) > text.rfind(";"):
                text = text[:begin]
            text += LONG if before <= _LONGEST_TEXT else ""
        self._pass(text, out)

    def _span(self, text: str, at: int, out: list[str], *, last: bool) -> int:
        """Comments and their like: to their end, or what there is of them."""
        end = text.find(self._until, at)
        if end < 0:
            keep = 0 if last else len(self._until) - 1
            until = max(len(text) - keep, at)
            self._pass_text(text[at:until], out)
            self._rest = text[until:]
            return len(text)
        self._pass_text(text[at:end], out)
        self._pass(self._until, out)
        end += len(self._until)
        self._until = ""
        return end

    def _markup(self, text: str, begin: int, out: list[str], *, last: bool) -> int:
        sign = next((one for one in _SPANS if text.startswith(one, begin)), "")
        if sign:
            self._pass(sign, out)
            self._until = _SPANS[sign]
            return begin + len(sign)
        cut = not last and len(text) - begin < _LONGEST_SIGN
        if cut or (found := _TAG.match(text, begin)) is None:
            self._lost = last or len(text) - begin > _LONGEST_TAG
            if self._lost:
                out.append(text[begin:])
            else:
                self._rest = text[begin:]
            return len(text)
        self._tag(found, out)
        return found.end()

    def _tag(self, found: re.Match[str], out: list[str]) -> None:
        self._run = 0
        if found[1]:
            self._pass(found[0], out)
            self.depth -= 1
            return
        if self.depth == MOST_LEVELS:
            out.append(DEEP)
            self.cuts += 1
        self.depth += 1
        self._pass(found[0], out)
        if found[2]:
            self.depth -= 1


__all__ = ["DEEP", "LONG", "MOST_LEVELS", "TOO_DEEP", "TOO_LONG", "ShallowXml", "is_about_limits"]
