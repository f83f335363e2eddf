"""Why what a person has just set going does not go at once, and until when, as far as that is known."""

from __future__ import annotations

from collections.abc import Iterable

from runtime.selectors import gates

OF_QUESTIONS = ("breaker", "quota")  # a question needs no open gate


CLOSED_GATE = "No call tries the circuit breaker under a closed gate; close it by hand, and the question is asked."


def said(subscriptions: Iterable[int], *, asking: bool) -> str:
    """One sentence for each condition that is not met by the targets of these messages; empty where nothing waits."""
    found = []
    for state in gates.states(sorted(set(subscriptions))).values():
        unmet = [one for one in state.unmet if not asking or one.key in OF_QUESTIONS]
        found += [one.says for one in unmet]
        if asking and not state.permitted and any(one.key == "breaker" for one in unmet):
            found.append(CLOSED_GATE)
    return " ".join(dict.fromkeys(found))
