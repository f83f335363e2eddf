"""What a pipeline is answered: from verdicts of the gate to passed, failed or pending, and the words beside it.

`passed` needs for everything that is asked a verdict of this very moment that says allow and enforces. Whatever is
missing, strange or only reported is never a yes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Word = Literal["passed", "failed", "pending"]
SHOWN_REASONS = 5


@dataclass(frozen=True, slots=True)
class AskedVerdict:
    """A verdict that was just made for a pipeline: its number, its page, the document, and what was asked for. `told`:
    everybody in the application's team may see what it names; else its sentences stay in Tillgate."""

    id: int
    page: str
    document: Mapping[str, Any]
    application: str
    version: str
    environment: str
    told: bool = True

    @property
    def word(self) -> Word:
        """`passed` only for an allow that enforces, is of now, and is about exactly what was asked for."""
        document = self.document
        about = (document.get("application"), document.get("version"), document.get("environment"))
        if about != (self.application, self.version, self.environment) or document.get("hypothetical") is not False:
            return "pending"
        if document.get("verdict") == "deny":
            return "failed"
        return "passed" if document.get("verdict") == "allow" and document.get("enforcing") is True else "pending"


@dataclass(frozen=True, slots=True)
class Ruling:
    """The answer: a word, one sentence that says why, lines beside it, and the verdicts it was made from."""

    word: Word
    why: str
    lines: tuple[str, ...] = ()
    verdicts: tuple[AskedVerdict, ...] = ()

    def comment(self) -> str:
        """For people who look at the pipeline, in Markdown. Words of others stand as code: no link, no mention."""
        heads = {"passed": "Tillgate: allow.", "failed": "Tillgate: deny.", "pending": "Tillgate does not know yet."}
        pages = [f"Verdict {one.id}: {one.page}" for one in self.verdicts]
        return "\n".join([f"**{heads[self.word]}** {self.why}", *pages, *(f"- {line}" for line in self.lines)])


def unmapped(repository: str, place: str) -> Ruling:
    """Nobody said what this repository and place stand for. That is a no, with what to do."""
    why = f"{code(repository)} with {code(place)} is not mapped to an application and an environment here."
    return Ruling("failed", why, ("Ask a release manager to map it on the page of the connection.",))


def never_asked(application: str, sha: str, environment: str) -> Ruling:
    why = f"No pipeline of {code(application)} has asked about {code(sha[:12])} for {code(environment)}."
    do = f"tillgate check --application {application} --version {sha} --environment {environment}"
    return Ruling("pending", why, (f"Run {code(do)} first, with the token of a service account of its team.",))


def in_part(application: str, sha: str, environment: str, verdicts: Sequence[AskedVerdict]) -> Ruling:
    """Single instances were asked about, and the pipeline goes to the environment: a yes to some is none to all."""
    found = of_verdicts(verdicts)
    if found.word != "passed":
        return found
    why = f"{code(application)} {code(sha[:12])} was asked about for single instances of {code(environment)} alone."
    return Ruling("pending", why, ("Ask about the environment as a whole, without an instance.",), found.verdicts)


def of_verdicts(verdicts: Sequence[AskedVerdict]) -> Ruling:
    """Deny beats unknown beats allow, over everything that was asked. No verdict at all is no yes."""
    found = tuple(verdicts)
    words = {one.word for one in found}
    word: Word = "failed" if "failed" in words else "passed" if words == {"passed"} else "pending"
    why = {
        "passed": "It may go there now.",
        "failed": "It may not go there now.",
        "pending": "It is asked again when something changes.",
    }[word]
    if word == "pending" and found and all(one.document.get("enforcing") is False for one in found if one.word == word):
        why = "The gate only reports here so far, and that is no allow. " + why
    return Ruling(word, why, tuple(_reasons(found, word)), found)


def together(rulings: Sequence[Ruling]) -> Ruling:
    """One answer for all mappings of a repository and place: the worst counts. None at all is no yes."""
    order: tuple[Word, ...] = ("failed", "pending", "passed")
    if not rulings:
        return Ruling("pending", "Nothing was asked.")
    worst = min(rulings, key=lambda one: order.index(one.word))
    verdicts = tuple(verdict for one in rulings for verdict in one.verdicts)
    return Ruling(worst.word, worst.why, worst.lines, verdicts)


_NOT_TOLD = "names what not everybody may see: it is on the page of the verdict."


def _reasons(verdicts: Sequence[AskedVerdict], word: Word) -> list[str]:
    found = [
        f"{code(str(reason.get('code')))} {code(str(reason.get('message'))) if one.told else _NOT_TOLD}"
        for one in verdicts
        if one.word == word and word != "passed"
        for reason in one.document.get("reasons") or ()
        if reason.get("waived_by") is None
    ]
    listed = list(dict.fromkeys(found))
    more = len(listed) - SHOWN_REASONS
    return [*listed[:SHOWN_REASONS], *([f"and {more} more, on the page of the verdict"] if more > 0 else [])]


def code(text: str) -> str:
    """A text as Markdown code in one line: nothing in it is a link, an image, a mention or HTML."""
    plain = " ".join("".join(one if one.isprintable() else " " for one in text).replace("`", "'").split())
    return f"`{plain[:200] or '-'}`"
