"""Patterns that turn names of the identity provider's groups into teams: `tg-*` with the team `*` makes the members of
`tg-price` members of the team `price`."""

from __future__ import annotations

import re
from dataclasses import dataclass

STAR = "*"
_TEAM = re.compile(r"[a-z0-9-]*\*?[a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class GroupRule:
    """`claim` holds one star; `team` is a key, in which a star stands for what the one of `claim` stands for. Teams
    that decide across domains are reached by a rule that says so (`roles`)."""

    claim: str
    team: str
    roles: bool = False

    def key_of(self, word: str) -> str:
        """The key of the team that this group means; empty where the rule is not about it. Upper and lower case make
        no difference, since keys of teams are of small letters."""
        begin, _, end = self.claim.casefold().partition(STAR)
        said = word.casefold()
        if len(said) <= len(begin) + len(end) or not (said.startswith(begin) and said.endswith(end)):
            return ""
        middle = said[len(begin) : len(said) - len(end)]
        return self.team.replace(STAR, middle) if re.fullmatch("[a-z0-9-]+", middle) else ""

    def may_mean(self, key: str) -> bool:
        """Whether there is a group that would mean the team with this key."""
        if STAR not in self.team:
            return key == self.team
        begin, _, end = self.team.partition(STAR)
        return len(key) > len(begin) + len(end) and key.startswith(begin) and key.endswith(end)


def flaws(claim: str, team: str) -> dict[str, str]:
    """What is wrong with a rule, by field."""
    found = {}
    if claim.count(STAR) != 1 or len(claim) < 2:
        found["claim"] = "Write a name with one star, such as tg-*, and not the star alone."
    if not team or not _TEAM.fullmatch(team):
        found["team"] = "Write the key of a team, in which one star stands for what the star of the group stands for."
    return found
