"""What card numbers and tracks look like in a text, whatever stands beside them.

A number has as many digits as its issuer uses and the check digit of ISO/IEC 7812-1. Its groups are parted by a blank
or a hyphen each, or by one other sign in the groups that cards are printed in; zeros may stand before it, as in fixed
fields. A track (ISO/IEC 7813, and tag 57 of EMV) goes whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from kernel.redaction import passes_check_digit

HIDDEN = "***"
FEWEST_DIGITS = 14  # of the issuers below
# Issuers by their first digits, with the lengths of their numbers.
_ISSUED = re.compile(
    r"""(?x) 4(?:[0-9]{15}|[0-9]{18}) | 5[1-5][0-9]{14} | 2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}
    | 3[47][0-9]{13} | (?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12,15} | 35(?:2[89]|[3-8][0-9])[0-9]{12,15}
    | (?:30[0-5][0-9]|3095|3[689][0-9]{2})[0-9]{10,15} | 62[0-9]{14,17}
    | (?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{12,15}"""
)  # of Maestro those of 16 digits and more: in 13 stand the articles of Great Britain
_MOMENT = re.compile("30(?:0[1-9]|1[0-2])20[0-9]{2}(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]")  # 30 November 2026, 12:00
_ROW = re.compile(r"[0-9](?<![0-9]{2})(?:[ \t\r\n./_-]{0,3}+[0-9]){13,}+")  # whatever else stands in it
_CHAIN = re.compile(r"(?<![0-9A-Za-z])(?=[0-9 -]{14})[0-9]+(?:[ -][0-9]+)*(?![0-9A-Za-z])")
_PARTED = re.compile(
    r"""(?x) (?<![0-9A-Za-z]) [0-9]{4} (?P<by> [ \t-]{1,3} | [ \t]?[./_\n][ \t]? | \r\n )
    (?: [0-9]{4} (?P=by) [0-9]{4} (?P=by) [0-9]{4} (?:(?P=by) [0-9]{1,3})? | [0-9]{6} (?P=by) [0-9]{4,5} )
    (?! [0-9A-Za-z] | (?P=by) [0-9] )"""
)
_GROUP = re.compile("[0-9]+")
_DIGITS = frozenset("0123456789")
_PRODUCE = re.compile("(?:[34][0-9]{3}){4}")  # codes of fruit and vegetables (PLU), one a line
_DAY = re.compile(r"(?<![0-9])20[0-9]{2}([ -]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12][0-9]|3[01])(?![0-9])")
_ARTICLE = 13  # digits of a GTIN, beside which a quantity may stand
_WRAPPED = re.compile(  # groups in lines that end between them
    r"(?<![0-9A-Za-z])[0-9]{4}(?:(?:[ \t]{1,3}|[ \t]?\r?\n[ \t]?)[0-9]{4}){3}(?![0-9A-Za-z]|[ \t\r\n]{1,3}[0-9])"
)
_BEHIND_DIGITS = re.compile(r"[0-9][ \t\r\n]{1,3}\Z")
_DATA = re.compile(r"=[0-9][0-9A-Za-z]*\??")
_SHAPES = frozenset([(4, 6, 5), (4, 6, 4), (4, 4, 4, 4), *((4, 4, 4, 4, last) for last in (1, 2, 3))])
_PADDED = (15, 16)  # digits of numbers that stand behind zeros
_TRACK_1 = re.compile(
    r"""(?x) (?:%?[Bb])? (?<![0-9]) [0-9](?:[ -]?[0-9]){13,18} \^ [^\^\r\n"<>]{0,40} \^ (?=[0-9^])
    (?: [^?\r\n"<>]{0,80}\? | [0-9A-Za-z^]* )"""
)
_TRACK_2 = re.compile(
    r"""(?x) (?P<begin>;)? (?<![0-9]) (?P<digits>[0-9]{14,60})
    (?P<data> = [0-9][0-9A-Za-z]* | \^ [0-9A-Za-z^/]+ | [Dd] [0-9]{2}(?:0[1-9]|1[0-2])[0-9]{3,}[Ff]? ) (?P<end>\?)?"""
)
_MARKS = ("=", "^", "D", "d")
_LONGEST = 160  # characters behind the number of a track
_EXPIRES = re.compile("=[0-9]{2}(?:0[1-9]|1[0-2])[0-9]{3}")
_TAG_57 = re.compile("57(?:0[89]|1[0-3])\\Z")  # with the length of its value, in hexadecimal digits
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?(?![0-9A-Za-z])")
_OF_SSCC = (17, 18, 20)  # digits of shipments and packages, the latter with their identifier (00) or without


class HiddenPart(NamedTuple):
    """From where to where a number or a track stands, and what is shown of it."""

    start: int
    end: int
    shown: str


class _Plain(dict[int, int]):
    """Of each character the one of ASCII that means the same in a number, one by one."""

    def __missing__(self, code: int) -> int:
        made = self[code] = _plain_code(code)
        return made


def _plain_code(code: int) -> int:
    if code < 128:
        return code
    if (digit := unicodedata.decimal(chr(code), None)) is not None:
        return ord("0") + digit
    if 0xFF01 <= code <= 0xFF5E:  # ASCII in full width
        return code - 0xFEE0
    kind = unicodedata.category(chr(code))
    if kind in ("Zs", "Zl", "Zp", "Cf"):
        return ord(" ")
    return ord("-") if kind == "Pd" or code == 0x2212 else ord(".") if code == 0x00B7 else code


_PLAIN = _Plain()


def plain(text: str) -> str:
    """The text with digits, blanks and dashes of ASCII in the place of those of other scripts; as long as it was."""
    return text if text.isascii() else text.translate(_PLAIN)


def found_in(text: str) -> list[HiddenPart]:
    """What is to be taken out of a text that is `plain`, in order, none within another."""
    if len(text) < FEWEST_DIGITS or (row := _ROW.search(text)) is None:
        return []
    found: list[HiddenPart] = []
    done = 0
    while row is not None:
        start, end = max(row.start(), done), row.end()
        track = _track(text, start, end) if text[end : end + 1] in _MARKS else None
        until = end if track is None else max(start, track.start)
        numbers = [*_chains(text, start, until)]
        for one in (*_parted(text, start, until), *_wrapped(text, start, until)):
            if all(_apart(one, other) for other in numbers):
                numbers.append(one)
        numbers.sort()
        if track is None and numbers and numbers[-1].end == end and (data := _DATA.match(text, end)):
            track = HiddenPart(numbers.pop().start, data.end(), HIDDEN)  # its number is written in groups
        found += numbers
        if track is not None:
            found.append(track)
            done = track.end
        row = _ROW.search(text, end)
    return found


def _apart(one: HiddenPart, other: HiddenPart) -> bool:
    return one.end <= other.start or other.end <= one.start


def replaced(text: str, found: list[HiddenPart]) -> str:
    """The text with what is shown in the place of what was found."""
    parts, done = [], 0
    for start, end, shown in found:
        parts += [text[done:start], shown]
        done = end
    return "".join([*parts, text[done:]])


def is_card(digits: str) -> bool:
    """Whether so many digits are a card number by their form."""
    if _ISSUED.fullmatch(digits) is None or not passes_check_digit(digits):
        return False
    return not _is_sscc(digits) and (len(digits) > 14 or _MOMENT.fullmatch(digits) is None)


def short(digits: str) -> str:
    """A card number without its middle."""
    return f"{digits[:6]}{'*' * (len(digits) - 10)}{digits[-4:]}"


def _track(text: str, start: int, end: int) -> HiddenPart | None:
    """The track whose number ends where a row of digits does."""
    if text[end] == "^" and (first := _TRACK_1.search(text, max(0, start - 2), end + _LONGEST)):
        return HiddenPart(*first.span(), HIDDEN)
    second = _TRACK_2.search(text, max(0, start - 1), end + _LONGEST)
    return HiddenPart(*second.span(), HIDDEN) if second and _is_track(second) else None


def _is_track(found: re.Match[str]) -> bool:
    digits = found["digits"]
    if len(digits) <= 19 and found["begin"] and found["end"] and _EXPIRES.match(found["data"]):
        return True
    if _without_zeros(digits):
        return True
    sizes = range(FEWEST_DIGITS, min(len(digits) - 3, 20))
    return found["data"][0] in "Dd" and any(
        _TAG_57.search(digits[:-size]) is not None and is_card(digits[-size:]) for size in sizes
    )


def _without_zeros(digits: str) -> str:
    """The card number that these digits are, without the zeros before it; empty where they are none."""
    if digits[0] != "0":
        return digits if is_card(digits) else ""
    bare = digits.lstrip("0")
    return bare if len(bare) in _PADDED and not _is_sscc(digits) and is_card(bare) else ""


def _is_sscc(digits: str) -> bool:
    """Whether the check digit is that of GS1 in a number that is as long as those of shipments and packages."""
    if len(digits) not in _OF_SSCC:
        return False
    backwards = [int(one) for one in reversed(digits)]
    return (sum(backwards[0::2]) + 3 * sum(backwards[1::2])) % 10 == 0


def _chains(text: str, start: int, end: int) -> Iterator[HiddenPart]:
    for found in _CHAIN.finditer(text, start, end + 1):
        groups = [(at.start(), at.end()) for at in _GROUP.finditer(text, *found.span())]
        whole = "".join(text[start:end] for start, end in groups)
        if len(whole) < FEWEST_DIGITS:
            continue
        parted = len(whole) <= 19 and max(end - start for start, end in groups) < _ARTICLE
        as_one = len(groups) == 1 or (parted and _DAY.search(found[0]) is None)
        if as_one and (number := _without_zeros(whole)):
            more = [HiddenPart(*found.span(), "0" * (len(whole) - len(number)) + short(number))]
        else:
            more = list(_windows(text, groups)) if len(groups) > 1 else []
        if more and not _in_iban(text, found):
            yield from more


def _windows(text: str, groups: list[tuple[int, int]]) -> Iterator[HiddenPart]:
    """Within a chain of groups, those that are a card number as cards are printed: other numbers stand beside it."""
    first = 0
    while first < len(groups):
        for size in (1, 5, 4, 3):
            part = groups[first : first + size]
            if len(part) == size and (size == 1 or tuple(end - start for start, end in part) in _SHAPES):
                digits = "".join(text[start:end] for start, end in part)
                if number := _without_zeros(digits):
                    shown = "0" * (len(digits) - len(number)) + short(number)
                    yield HiddenPart(part[0][0], part[-1][1], shown)
                    first += size - 1
                    break
        first += 1


def _in_iban(text: str, chain: re.Match[str]) -> bool:
    """Whether the digits belong to the number of an account, which is written in groups of four, too."""
    begin = max(0, chain.start() - 40)
    return any(
        begin + one.start() < chain.start() < begin + one.end() and _is_iban(one[0])
        for one in _IBAN.finditer(text[begin : chain.end() + 40])
    )


@lru_cache(256)
def _is_iban(written: str) -> bool:
    signs = written.replace(" ", "")
    return int("".join(str(int(one, 36)) for one in signs[4:] + signs[:4])) % 97 == 1


def _parted(text: str, begin: int, end: int) -> Iterator[HiddenPart]:
    for found in _PARTED.finditer(text, begin, end + 1):
        by, start = found["by"], found.start()
        if text.endswith(by, 0, start) and text[start - len(by) - 1 : start - len(by)] in _DIGITS:
            continue  # a longer row of numbers
        digits = "".join(_GROUP.findall(found[0]))
        if is_card(digits) and not ("\n" in by and _PRODUCE.fullmatch(digits)):
            yield HiddenPart(*found.span(), short(digits))


def _wrapped(text: str, begin: int, end: int) -> Iterator[HiddenPart]:
    for found in _WRAPPED.finditer(text, begin, end + 1):
        digits = "".join(_GROUP.findall(found[0]))
        if (
            is_card(digits)
            and not _PRODUCE.fullmatch(digits)
            and not _BEHIND_DIGITS.search(text, max(0, found.start() - 4), found.start())
        ):
            yield HiddenPart(*found.span(), short(digits))


__all__ = ["FEWEST_DIGITS", "HIDDEN", "HiddenPart", "found_in", "is_card", "plain", "replaced", "short"]
