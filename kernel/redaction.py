"""What must not leave in a log, a trace or a metric: card numbers, passwords, tokens, e-mail addresses.

It looks for the form of a value, wherever it stands: in a message, an address, an answer of a vendor, a traceback. It
takes too much rather than too little: one number of 13 to 19 digits in ten passes the check digit of card numbers.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"
_SEPARATED = r"(?:[ .\-_/+]|%20)?"
_CARD = re.compile(rf"(?<![0-9])[0-9](?:{_SEPARATED}[0-9]){{12,18}}(?![0-9])")
_EMAIL = re.compile(
    r"[^\s\"'<>()\[\]{},;:=&?/\\]+(?:@|%40)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+"
)
_SCHEME = re.compile(r"(?i)\b(bearer|basic|digest|negotiate)(\s+|%20|\+)[A-Za-z0-9._~+/=\-]{6,}")
_TOKEN = re.compile(r"\b(?:tg_[A-Za-z0-9_\-]{16,}|eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*)?)")
_USER_INFO = re.compile(r"(?<=://)[^/\s@\"']+@")
_NAMED = re.compile(
    r"""(?ix)
    (["']?[\w.\-]*(?:password|passwd|passphrase|pwd|secret|token|api[_\-]?key|authorization|cookie|credential|
        \bpin|cvv|cvc|card[_\-]?number|\bpan)[\w\-]*["']?\s*(?:=>|[:=]|%3[dD])\s*)
    ("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&}\]"']+)
    """
)


def redact(text: str) -> str:
    """The text without what must not leave; the same text where there is nothing of the kind."""
    if "%" in text:
        plain = unquote(text)
        if plain != text and _cleaned(plain) != plain:  # hidden by percent encoding in a way that the forms do not know
            return _cleaned(plain)
    return _cleaned(text)


def _cleaned(text: str) -> str:
    text = _SCHEME.sub(lambda found: f"{found[1]} {HIDDEN}", text)
    text = _NAMED.sub(_value, text)
    text = _TOKEN.sub(HIDDEN, text)
    text = _USER_INFO.sub(f"{HIDDEN}@", text)
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(HIDDEN, text)
    return _CARD.sub(_card, text)


def _value(found: re.Match[str]) -> str:
    value = found[2]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{found[1]}{quote}{HIDDEN}{quote}"


def _card(found: re.Match[str]) -> str:
    digits = re.sub(r"%20|[^0-9]", "", found[0])
    return HIDDEN if passes_check_digit(digits) else found[0]


def passes_check_digit(digits: str) -> bool:
    """The check digit of card numbers (ISO/IEC 7812-1, annex B: Luhn)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return len(digits) >= 13 and total % 10 == 0 and bool(digits.strip("0"))
