"""Words that the product does not use any more, and what it says instead (docs/glossary.md)."""

from __future__ import annotations

import io
import re
import tokenize
from functools import cache

from tests.architecture.tree import EXCUSED, excused, is_migration, text, tracked

PRODUCT = ("kernel/", "catalog/", "contracts/", "cli/", "governance/", "runtime/", "portal/", "sandbox/")
PAGES = ("templates/",)
DOCUMENTS = ("docs/", "README.md", "SECURITY.md")
EVERYWHERE = PRODUCT + PAGES + DOCUMENTS
HISTORY = (
    "docs/decisions/",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/reference/openapi.yaml",
    "docs/reference/contract-rules.md",
    "docs/reference/tables-",
)

# The word that is used -> the pattern of the words that it replaced, and where. Code, sentences and names alike.
OLD_WORDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "quarantine": (r"park(?:s|ed|ing)?", EVERYWHERE),
    "group commit": (r"gathering", EVERYWHERE),
    "slot (on pages: approval)": (r"seats?", EVERYWHERE),
    "periodic job": (r"dut(?:y|ies)", EVERYWHERE),
    "process supervisor": (r"keepers?", EVERYWHERE),
    "fix, edit payload": (r"mend(?:s|ed|ing)?", EVERYWHERE),
    "discard": (r"g(?:ive|ives|iven|ave|iving)[ _]up", EVERYWHERE),
    "release (a claim)": (r"hand(?:s|ed|ing)?[ _]back", EVERYWHERE),
    "deregister": (r"sign(?:s|ed|ing)?[ _]off", EVERYWHERE),
    "retract, withdraw": (r"t(?:ake|akes|aken|ook|aking)[ _]back", EVERYWHERE),
    "rollback plan": (r"way back", EVERYWHERE),
    "target system": (r"other side", ("runtime/", "governance/", "portal/", "catalog/", *PAGES, *DOCUMENTS)),
    "has to, is expected": (r"(?:is|are) waited for", EVERYWHERE),
    "their, one's": (r"(?:of|by|for|in|has|with|to) the own", EVERYWHERE),
    "dead letter (on pages: failed message)": (
        r"(?<!dead )(?<!dead_)(?<!dead-)letters?(?! of the alphabet| grade)",
        ("runtime/selectors/", "runtime/services/", "runtime/web/", "runtime/worker/", "runtime/ledger/", *PAGES),
    ),
    "circuit breaker": (r"(?<!circuit )(?<!circuit-)(?<![._])breakers?(?![/_=])", (*PAGES, *DOCUMENTS)),
    "manifest checks": (r"judging", ("runtime/", "governance/", *PAGES, *DOCUMENTS)),
    "forked trial": (r"tried apart|services[/.]isolation", EVERYWHERE),
    "target clients": (r"binders?", ("runtime/",)),
    "navigation": (r"(?:portal|selectors)[/.]shell", EVERYWHERE),
    "search results": (r"kernel[/.]hits", EVERYWHERE),
    "results": (r"what became of (?:them|it)", PAGES),
    "infrastructure": (r"underneath", EVERYWHERE),
    "who is affected": (r"who feels it", EVERYWHERE),
    "rejected before storing": (r"never entered the log", PAGES),
    "you're all caught up": (r"nothing waits for you", EVERYWHERE),
    "my open changes": (r"mine, waiting for others", EVERYWHERE),
    "has an owner": (r"somebody owns it", EVERYWHERE),
    "no breaking change for live consumers": (r"unawares", EVERYWHERE),
    "wrong name or password": (r"do not belong together", EVERYWHERE),
    "the stored version": (r"(?:the )?held one|held first", EVERYWHERE),
    "query the target": (r"ask it", (*PAGES, *DOCUMENTS)),
    "description only": (r"without force", EVERYWHERE),
    "declared version": (r"says of itself", PAGES),
    "warnings": (r"noticed while reading", EVERYWHERE),
    "delegate": (r"lend(?:s|ing)? (?:my|the|a|your) (?:seats?|rights?|approvals?)|lent right", EVERYWHERE),
    "which system owns which data": (r"who is right about what", EVERYWHERE),
    "a person who, a system that": (r"who(?:so)?ever|whomever", EVERYWHERE),
    "a worker that": (r"who was (?:told|killed)", EVERYWHERE),
}
# Old words that are a promise and stay: values in the database, audit verbs, fields and addresses of the REST API,
# operations of its document, names of standards.
STABLE = re.compile(
    r"given_up|give_up|give-up|dead_letters?_mend(?:ed)?|taken_back|take[-_]back|\"taken back\"|seats_added|\"parked\"|"
    r"dead-letters/parked|separation[ _]of[ _]dut(?:y|ies)|OperatorSignOff|Sign Off|sign_off"
)
ONE_OR_MORE = re.compile(r"\b[a-z]{3,}\(s\)(?!\w)", re.IGNORECASE)


@cache
def pattern(word: str) -> re.Pattern[str]:
    """Whole words, also as a part of a snake_case name."""
    return re.compile(rf"(?<![a-z])(?:{OLD_WORDS[word][0]})(?![a-z])", re.IGNORECASE)


def readable() -> list[str]:
    return [
        path
        for path in tracked("*.py", "*.sql", "*.html", "*.md", "*.toml", "*.yaml", "Makefile")
        if path.startswith(EVERYWHERE) and not path.startswith(HISTORY) and not is_migration(path)
    ]


def test_old_words_are_gone():
    """A file may still use one only while `excused.toml` lists it below the word."""
    found = [
        f"{path}:{number}: {used!r}; say: {word}"
        for path in readable()
        for word, (_, places) in OLD_WORDS.items()
        if path.startswith(places) and not excused(path, EXCUSED["words"].get(word, ()))
        for number, used in uses(word, path)
    ]
    assert found == []


def test_no_old_word_is_excused_in_vain():
    """Each excuse names a word that is refused and a file that still uses it."""
    in_vain = [
        f"{word}: {prefix}"
        for word, prefixes in EXCUSED["words"].items()
        for prefix in prefixes
        if word not in OLD_WORDS
        or not any(
            uses(word, path) for path in readable() if path.startswith(prefix) and path.startswith(OLD_WORDS[word][1])
        )
    ]
    assert in_vain == []


def uses(word: str, path: str) -> list[tuple[int, str]]:
    """Where a file uses what the word replaced: line and the old word."""
    if not letters_of(word).search(lowered(path)):
        return []
    lines = enumerate(without_stable(path).splitlines(), 1)
    return [(number, match.group()) for number, line in lines if (match := pattern(word).search(line))]


@cache
def without_stable(path: str) -> str:
    return STABLE.sub("", text(path))


@cache
def lowered(path: str) -> str:
    return without_stable(path).lower()


@cache
def letters_of(word: str) -> re.Pattern[str]:
    """Also inside of other words: a search many times quicker, which most files do not pass."""
    return re.compile(OLD_WORDS[word][0])


def test_a_sentence_counts_properly():
    """ "1 message", "2 messages": never "message(s)"."""
    found = [
        f"{path}: {match.group()!r}"
        for path in readable()
        if path.endswith((".py", ".html")) and "(s)" in text(path).lower()
        for sentence in sentences(path)
        for match in ONE_OR_MORE.finditer(sentence)
    ]
    assert found == []


def sentences(path: str) -> list[str]:
    """The strings of a module without the expressions inside their braces, or the text of a template."""
    if path.endswith(".html"):
        return [text(path)]
    tokens = tokenize.generate_tokens(io.StringIO(text(path)).readline)
    fstring_part = getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)
    return [
        re.sub(r"\{[^{}]*\}", "{}", token.string) for token in tokens if token.type in (tokenize.STRING, fstring_part)
    ]
