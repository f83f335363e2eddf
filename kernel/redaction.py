"""What must not leave in a log, a trace or a metric: card numbers, passwords, tokens, e-mail addresses.

It looks for the form of a value, wherever it stands: in a message, an address, an answer of a vendor, a traceback. It
takes too much rather than too little: one number of 13 to 19 digits in ten passes the check digit of card numbers. No
form makes it try again and again, however long the text is.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"
_SEPARATOR = re.compile(r"[ .\-_/+]")
_DIGITS = re.compile(r"(?P<id>\b(?=[0-9]{0,31}[a-f])[0-9a-f]{32}\b)|[0-9](?:[ .\-_/+]?[0-9]){12,}")
_DOMAIN = re.compile(r"@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_NOT_LOCAL = frozenset("\"'<>()[]{},;:=&?/\\@ \t\r\n")
_SCHEME = re.compile(r"(?i)\b(bearer|basic|digest|negotiate)[\s+]{1,5}[A-Za-z0-9._~+/=\-]{6,}")
_TOKEN = re.compile(r"\b(?:tg_[A-Za-z0-9_\-]{16,}|eyJ[A-Za-z0-9_\-]{8,2000}\.[A-Za-z0-9_\-.]{1,4000})")
_USER_INFO = re.compile(r"(?<=://)[^/\s@\"']{1,256}@")
_NAMED = re.compile(
    r"""(?ix)
    ((?:password|passwd|passphrase|pwd|secret|token|api[_\-]?key|authorization|cookie|credential|\bpin|cvv|cvc|
        card[_\-]?number|\bpan)[\w\-]{0,40}["']?\s{0,5}(?:=>|[:=])\s{0,5})
    ("(?:[^"\\]|\\.){0,4000}"?|'(?:[^'\\]|\\.){0,4000}'?|[^\s,;&}\]"']+)
    """
)


def redact(text: str) -> str:
    """The text without what must not leave; the same text where there is nothing of the kind."""
    cleaned = _cleaned(text)
    if "%" in cleaned:
        plain = unquote(cleaned)
        if plain != cleaned and (hidden := _cleaned(plain)) != plain:
            return hidden
    return cleaned


def _cleaned(text: str) -> str:
    text = _DIGITS.sub(_without_cards, text)  # first: other forms may end within a number
    text = _SCHEME.sub(lambda found: f"{found[1]} {HIDDEN}", text)
    text = _NAMED.sub(_value, text)
    text = _TOKEN.sub(HIDDEN, text)
    text = _USER_INFO.sub(f"{HIDDEN}@", text)
    return _without_addresses(text) if "@" in text else text


def _value(found: re.Match[str]) -> str:
    quote = found[2][0] if found[2][0] in "\"'" else ""
    return f"{found[1]}{quote}{HIDDEN}{quote}"


def _without_addresses(text: str) -> str:
    """From each `@` before a domain, back to where the name begins."""
    parts, done = [], 0
    for found in _DOMAIN.finditer(text):
        begin = found.start()
        while begin > done and text[begin - 1] not in _NOT_LOCAL:
            begin -= 1
        if begin < found.start():
            parts += [text[done:begin], HIDDEN]
            done = found.end()
    return "".join([*parts, text[done:]])


def _without_cards(found: re.Match[str]) -> str:
    """Of groups of digits, those that together are a card number. An id of 32 hexadecimal digits stays."""
    text = found[0]
    if found["id"] is not None:
        return text
    groups = _SEPARATOR.split(text)
    hidden: set[int] = set()
    first = 0
    while first < len(groups):
        last = _card(groups, first)
        hidden.update(range(first, last))
        first = max(first + 1, last)
    if not hidden:
        return text
    separators = [*_SEPARATOR.findall(text), ""]
    shown = [HIDDEN if number in hidden else group for number, group in enumerate(groups)]
    return "".join(part + separator for part, separator in zip(shown, separators, strict=True))


def _card(groups: list[str], first: int) -> int:
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
        if passes_check_digit(digits):
            end = number + 1
    return end


def passes_check_digit(digits: str) -> bool:
    """Whether these digits can be a card number: 13 to 19, the last one being the check digit of ISO/IEC 7812-1."""
    if not 13 <= len(digits) <= 19 or not digits.strip("0"):
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
