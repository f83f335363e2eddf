"""What must not leave in a log, a trace or a metric: card numbers, passwords, tokens, e-mail addresses.

It looks for the form of a value, wherever it stands and however it is written: in a message, an address that was
encoded twice, base64, JSON within JSON, XML, an answer of a vendor, a traceback. It takes too much rather than too
little: one number of 13 to 19 digits in ten passes the check digit of card numbers. No form makes it try again and
again, however long the text is, and a text that has none of the signs costs a look at each.
"""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from urllib.parse import unquote

from kernel.redacted_encodings import without_encoded
from kernel.redacted_names import HIDDEN, HINTS, without_named

MOST_LAYERS = 6  # of encodings, one within the other
MOST_OF_BASE64 = 3
_DIGITS = re.compile(
    r"(?P<id>\b(?=[0-9-]{0,35}[a-f])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b)"
    r"|[0-9](?:[\W_]{0,4}+[0-9]){12,}+"
)
_MANY_DIGITS = re.compile(r"[0-9](?:[\W_]{0,4}+[0-9]){12}")
_GROUP = re.compile(r"[0-9]+")
_LOOSE = frozenset(" -+")  # between groups of any size
_TIGHT = frozenset(" .-_/+")  # between groups of the usual sizes, of any issuer
_OF_KEYS = frozenset("/.:,")  # numbers that stand so are more often something else
_ISSUED = re.compile(r"3[04-9]|[456]|2[2-7]")
_SHAPES = frozenset([(4, 6, 5), (4, 6, 4), *((4, 4, 4, last) for last in (1, 2, 3, 4)), (4, 4, 4, 4, 1)])
_SHAPES |= {(4, 4, 4, 4, 2), (4, 4, 4, 4, 3), (8, 8), (6, 13)}
_DOMAIN = re.compile(r"@(?:[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}|\[[0-9a-fA-F.:]{3,45}\])")
_NOT_LOCAL = frozenset("\"'<>()[]{},;:=&?/\\@ \t\r\n")
_SCHEMES = ("bearer", "basic", "digest", "negotiate")
_SCHEME = re.compile(r"(?i)\b(bearer|basic|digest|negotiate)[\s+]{1,5}[A-Za-z0-9._~+/=\-]{6,}")
_TOKEN = re.compile(r"\b(?:tg_[A-Za-z0-9_\-]{16,}|eyJ[A-Za-z0-9_\-]{8,2000}\.[A-Za-z0-9_\-.]{1,4000})")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}-----|\Z)", re.DOTALL
)
_USER_INFO = re.compile(  # a password may have slashes; a port has not
    r"""(?x) (?<=://) (?:[^/\s@"']{1,256}
    |(?!(?:localhost|[\w\-]{1,63}\.[\w.\-]{1,190}):[0-9]{1,5}/)[^/\s@"':?\#<>]{0,100}:[^\s"<>]{1,256})@"""
)
_LAYERS = re.compile(r"%(?:25)+(?=[0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([nrtfbv])|([\"'/\\&<>@:=]))")
_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")


def redact(text: str) -> str:
    """The text without what must not leave; the same text where there is nothing of the kind. Where it was written in
    an encoded form, what is left is shown decoded."""
    return _redacted(text, MOST_OF_BASE64)


def _redacted(text: str, base64: int) -> str:
    """`base64`: how many layers of that are looked into."""
    shown = plain = _cleaned(text, base64)
    for _ in range(MOST_LAYERS):
        decoded = _decoded(plain)
        if decoded == plain:
            break
        plain = _cleaned(decoded, base64, decoded=True)
        if plain != decoded:
            shown = plain
    return shown


def _decoded(text: str) -> str:
    """One layer less: of an address, of HTML, of a string within a string, of wide and foreign characters."""
    if "%" in text:
        text = unquote(_LAYERS.sub("%", text))
    if "&" in text and ";" in text:
        text = unescape(text)
    if "\\" in text:
        text = _ESCAPE.sub(_character, text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = _FOREIGN_DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), text)
    return text


def _character(found: re.Match[str]) -> str:
    if code := found[1] or found[2]:
        return chr(int(code, 16))
    return " " if found[3] else found[4]


def _cleaned(text: str, base64: int, *, decoded: bool = False) -> str:
    if _MANY_DIGITS.search(text) is not None:  # first: other forms may end within a number
        text = _DIGITS.sub(_without_cards, text)
    signs = text.lower()
    if any(one in signs for one in _SCHEMES):
        text = _SCHEME.sub(lambda found: f"{found[1]} {HIDDEN}", text)
    if any(one in signs for one in HINTS):
        text = without_named(text, decoded=decoded)
    if "tg_" in text or "eyJ" in text:
        text = _TOKEN.sub(HIDDEN, text)
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(HIDDEN, text)
    if base64:
        text = without_encoded(text, lambda said: _redacted(said, base64 - 1))
    if "@" not in text:
        return text
    return _without_addresses(_USER_INFO.sub(f"{HIDDEN}@", text) if "://" in text else text)


def _without_addresses(text: str) -> str:
    """From each `@` before a domain, back to where the name begins."""
    parts, done = [], 0
    for found in _DOMAIN.finditer(text):
        begin = found.start()
        if begin > done and text[begin - 1] == '"':
            begin = max(done, text.rfind('"', max(done, begin - 66), begin - 1))
        while begin > done and text[begin - 1] not in _NOT_LOCAL:
            begin -= 1
        if begin < found.start():
            parts += [text[done:begin], HIDDEN]
            done = found.end()
    return "".join([*parts, text[done:]])


def _without_cards(found: re.Match[str]) -> str:
    """Of groups of digits, those that together are a card number. Ids of hexadecimal digits stay."""
    text = found[0]
    if found["id"] is not None:
        return text
    groups = _GROUP.findall(text)
    between = _GROUP.split(text)[1:-1]
    hidden: set[int] = set()
    first = 0
    while first < len(groups):
        last = _card(groups, between, first)
        hidden.update(range(first, last))
        first = max(first + 1, last)
    if not hidden:
        return text
    shown = [HIDDEN if number in hidden else group for number, group in enumerate(groups)]
    return "".join(part + separator for part, separator in zip(shown, [*between, ""], strict=True))


def _card(groups: list[str], between: list[str], first: int) -> int:
    """The end of the longest card number that begins with this group; 0 where none does."""
    if len(groups[first]) > 19:
        long = groups[first]
        windows = (long[at : at + size] for size in (16, 15) for at in range(len(long) - size + 1))
        return first + 1 if any(passes_check_digit(one) for one in windows) else 0
    digits, end = "", 0
    for number in range(first, len(groups)):
        digits += groups[number]
        if len(digits) > 19:
            break
        if len(digits) > 12 and _is_written_so(groups, between, first, number + 1) and passes_check_digit(digits):
            end = number + 1
    return end


def _is_written_so(groups: list[str], between: list[str], first: int, last: int) -> bool:
    """Whether a card number is written in such groups. Other numbers stand side by side, too: dates, keys, lists."""
    if last - first == 1:
        return True
    separators = set(between[first : last - 1])
    if len(separators) == 1 and not separators.isdisjoint(_LOOSE):
        return max(map(len, groups[first:last])) <= 8
    if _ISSUED.match(groups[first]) is None and not separators <= _TIGHT:
        return False
    if tuple(map(len, groups[first:last])) in _SHAPES:
        return True
    return len(separators) == 1 and separators.isdisjoint(_OF_KEYS) and last - first == len(groups)


def passes_check_digit(digits: str) -> bool:
    """Whether these digits can be a card number: 13 to 19, the last one being the check digit of ISO/IEC 7812-1."""
    if not 13 <= len(digits) <= 19 or not digits.strip("0"):
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
