"""Why what a person has just set going does not go at once, and until when, as far as that is known."""

from __future__ import annotations

from collections.abc import Iterable

from runtime.selectors import gates

OF_QUESTIONS = ("breaker", "quota")  # a question needs no open gate


def said(subscriptions: Iterable[int], *, asking: bool) -> str:
    """One sentence for each condition that is not met by the targets of these messages; empty where nothing waits."""
    found = gates.states(sorted(set(subscriptions))).values()
    unmet = [one for state in found for one in state.unmet if not asking or one.key in OF_QUESTIONS]
    return " ".join(dict.fromkeys(one.says for one in unmet))
