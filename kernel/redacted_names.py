"""Values that are secret because of the name beside them: `password=x`, `"token": ["x"]`, `<pin>x</pin>`, `pin is x`,
`password hunter22`.

A name is looked for in any spelling; what follows it says where its value ends: at its closing quote (however often
the text was escaped), its closing bracket, its end tag, the end of its line or of its word. Where no end is found, the
value is taken to the end of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

HIDDEN = "***"
HINTS = (
    *("pass", "pwd", "kennwort", "secret", "token", "key", "auth", "cookie", "credential"),
    *("session", "sig", "pin", "pan", "cvv", "cvc", "card"),
)
_BEGINS = re.compile("pass|pwd|kenn|secr|toke|api|acce|priv|acco|auth|cook|cred|sess|sig|pin|pan|cvv|cvc|card")
_NAME = re.compile(
    r"""(?ix)
    (?:(?P<phrase>pass(?:word|wd|wort|phrase|code)|kennwort|pwd|secret)|(?P<header>authorization|cookie)
      |token|(?:api|access|private|account)[_\-]?key|credential|session[_\-]?id|signature|\bpin|cvv|cvc
      |card[_\-]?number|\bpan|(?<![a-z0-9])(?:pass|auth|sig)(?![a-z0-9]))
    [\w\-]{0,40}
    """
)
_SAME_THING = r"\\*[\"']?\s{0,5}[,;]?\s{0,5}\\*[\"']?(?:value|content|wert)\\*[\"']?"  # {"name": "pin", "value": "1"}
_BETWEEN = re.compile(
    rf"""(?ix)
    (?:{_SAME_THING}|\\*["']?\]?)\s{{0,5}}(?:=>|->|:=|[:=])(?P<free>\s{{0,20}})
    |\s{{1,5}}(?P<is>is|was|equals|ist|war|lautet|heisst|hei\u00dft)(?:\s{{1,5}}|\s?:\s{{0,5}})
    |(?P<tag>\\*["']?(?:\s[^<>]{{0,500}})?>)
    |(?P<pair>\\*["']\s{{0,5}},\s{{0,5}})(?=[bu]?\\*["'])
    |(?P<blank>\s{{1,5}})(?=[^\s=:])
    """
)
_IN_TAG = re.compile(r"<(?:[\w.\-]+:)?(?:[\w.\-]*|[^<>]{0,200}[=\"'])$")
_FIRST_OF_PAIR = re.compile(r"[(\[]\s{0,5}[bBuU]?\\*[\"'][\w\-]{0,40}$")
_OPENS = re.compile(r"[bBuUrR]{0,2}(\\*)([\"'])")
_PLAIN_ENDS = {'"': re.compile(r'(?:[^"\\]|\\.)*+', re.DOTALL), "'": re.compile(r"(?:[^'\\]|\\.)*+", re.DOTALL)}
_ESCAPED_ENDS = {'"': re.compile(r'(\\*+)"'), "'": re.compile(r"(\\*+)'")}
_NESTED = re.compile(r"[\[\]{}]|\\*[\"']")
_WORD = re.compile(r"[^\s,;&}\]\"']+")
_CLAUSE = re.compile(r"[^\s,;&}\]\"']+(?:[ \t]+(?![\w\-]{1,40}[\"']?\s?[:=])[^\s,;&}\]\"']+)*")
# What stands behind a name and a blank is a value where it looks like none of the words of a sentence.
_VALUE = re.compile(
    r"""(?x) (?P<number>[0-9]{3,8}(?![\w\-/:]|[.,][0-9]))
    |(?=[^\s0-9]*[0-9])(?=[^\sA-Za-z]*[A-Za-z])[^\s,;&}\]"'()<>]{6,}|[!-~]*[!$%^*~][!-~]{4,}"""
)
_BLANK_NAME = re.compile(r"(?i)pass(?:word|wd|wort|phrase|code)|kennwort|pwd|secret|token|pin|cvv|cvc|[a-z]+[_\-]?key")
_LINE = re.compile(r"(?:=\"[^\"\r\n]*\"|(?!,\s{0,3}\\*[\"']?[\w\-]{1,60}\\*[\"']?\s?:)[^\r\n\"'<>}\]])+")
# What is said of a secret without telling it.
_SAYINGS = frozenset(
    (
        *("a", "already", "always", "an", "as", "asked", "at", "bad", "being", "by", "changed", "correct", "empty"),
        *("ended", "expired", "fine", "for", "from", "given", "good", "here", "hidden", "in", "incorrect", "invalid"),
        *("it", "its", "kept", "known", "live", "longer", "missing", "needed", "never", "no", "none", "not", "null"),
        *("of", "ok", "on", "one", "only", "optional", "our", "read", "refused", "required", "revoked", "right"),
        *("sent", "set", "short", "shorter", "shown", "so", "still", "stored", "taken", "that", "the", "their"),
        *("there", "this", "to", "told", "too", "unknown", "unset", "unused", "used", "valid", "weak", "what"),
        *("with", "without", "written", "wrong", "your"),
    )
)
_TOLD = re.compile(r"[\w']+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OTHER_KEY = re.compile(
    r"(?i)(?<![a-z])(?:subscription|functions?|app(?:lication)?|consumer|client|master|shared|license|auth|storage)"
    r"[_\-]?key(?![a-z])|\A(?:key|jwt|otp)\Z"
)


def names_a_secret(name: str) -> bool:
    """Whether what a header, a parameter or a member of this name holds is hidden wherever it is shown."""
    words = _HUMP.sub("-", name)
    if _OTHER_KEY.search(words) is not None:
        return True
    found = [one[0].lower() for one in _NAME.finditer(words)]
    return any(not one.startswith(("pin", "pan")) or one[3:4] in ("", "-", "_") for one in found)


def without_named(text: str, *, decoded: bool = False) -> str:
    """`decoded`: spaces in it may have been written in another way, so a value is more than a word."""
    parts, done = [], 0
    for first, last in _values(text, decoded):
        parts += [text[done:first], HIDDEN]
        done = last
    return "".join([*parts, text[done:]]) if parts else text


def _values(text: str, decoded: bool) -> Iterator[tuple[int, int]]:
    at, signs = 0, text.lower()
    if len(signs) != len(text):  # a letter that has no small form of its own
        signs = "".join(one if len(one.lower()) != 1 else one.lower() for one in text)
    for begins in _BEGINS.finditer(signs):
        name = _NAME.match(text, begins.start()) if begins.start() >= at else None
        if name is None:
            continue
        at = name.end()
        between = _BETWEEN.match(text, at)
        if between is None:
            continue
        if between["tag"] is not None:
            found = _content(text, name, between)
        elif between["pair"] is not None:
            before = text[max(0, name.start() - 60) : name.start()]
            found = _value(text, between.end(), _WORD) if _FIRST_OF_PAIR.search(before) else None
        elif between["is"] is not None:
            said = _TOLD.match(text, between.end())
            told = said is not None and said[0].lower() in _SAYINGS
            found = None if told else _value(text, between.end(), _CLAUSE if name["phrase"] else _WORD)
        elif between["blank"] is not None:
            found = _behind_a_blank(text, name[0], between.end())
        else:
            many = bool(between["free"]) or decoded
            form = _LINE if name["header"] else _CLAUSE if name["phrase"] and many else _WORD
            found = _value(text, between.end(), form)
        if found is not None:
            yield found
            at = max(at, found[1])


def _behind_a_blank(text: str, name: str, at: int) -> tuple[int, int] | None:
    """`password hunter22`, `pin 4711`, but not `token ring`, `password reset`."""
    if _BLANK_NAME.fullmatch(name) is None or (found := _VALUE.match(text, at)) is None:
        return None
    if found["number"] is not None and name.lower() not in ("pin", "cvv", "cvc"):
        return None
    return found.span()


def _value(text: str, at: int, form: re.Pattern[str]) -> tuple[int, int] | None:
    """Where the value that begins here stands, without its quotes."""
    opens = _OPENS.match(text, at)
    if opens is not None:
        return opens.end(), _closing(text, opens.end(), len(opens[1]), opens[2])[0]
    if text[at : at + 1] in ("[", "{"):
        return at, _balanced(text, at)
    word = form.match(text, at)
    return word.span() if word is not None else None


def _closing(text: str, at: int, escapes: int, quote: str) -> tuple[int, int]:
    """Where the string ends whose quote stood behind so many backslashes, and where the text goes on."""
    if not escapes:
        found = _PLAIN_ENDS[quote].match(text, at)
        assert found is not None
        return found.end(), found.end() + 1
    for closes in _ESCAPED_ENDS[quote].finditer(text, at):
        if len(closes[1]) <= escapes:
            return closes.start(), closes.end()
    return len(text), len(text)


def _balanced(text: str, at: int) -> int:
    depth = 0
    while found := _NESTED.search(text, at):
        sign, at = found[0], found.end()
        if sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
            if depth <= 0:
                return at
        else:
            at = _closing(text, at, len(sign) - 1, sign[-1])[1]
    return len(text)


def _content(text: str, name: re.Match[str], between: re.Match[str]) -> tuple[int, int] | None:
    """The content of an element with this name, or with an attribute that has it as its value."""
    tag = _IN_TAG.search(text, max(0, name.start() - 260), name.start())
    if tag is None or text[between.end() - 2] == "/":
        return None
    ends = re.compile(rf"</(?:[\w.\-]+:)?[\w.\-]*{re.escape(name[0])}\s*>", re.IGNORECASE)
    end = ends.search(text, between.end(), between.end() + 4_000)
    last = end.start() if end is not None else text.find("</", between.end())
    return between.end(), last if last >= 0 else len(text)
