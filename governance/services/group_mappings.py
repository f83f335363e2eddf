"""Which teams the groups of the identity provider mean: by exact names (`GroupMapping`) and by patterns
(`GroupPattern`). Nothing else makes a group of the provider a team."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Q

from catalog.selectors import teams as team_selectors
from governance.domain.group_patterns import GroupRule
from governance.models import GroupMapping, GroupPattern
from kernel.models import User


@dataclass(frozen=True, slots=True)
class Mappings:
    """As they are declared at this moment; teams are the ids of their groups. Names of the provider's groups are
    compared without regard to upper and lower case, by name and by pattern."""

    exact: Mapping[str, frozenset[int]]
    rules: tuple[GroupRule, ...]
    teams: Mapping[str, int]
    roles: frozenset[int]
    names: Mapping[int, str]

    @classmethod
    def load(cls) -> Mappings:
        exact: dict[str, set[int]] = {}
        names: dict[int, str] = {}
        for claim, group, name in GroupMapping.objects.values_list("claim", "group_id", "group__name"):
            exact.setdefault(claim.casefold(), set()).add(group)
            names[group] = name
        rules = tuple(GroupRule(*row) for row in GroupPattern.objects.values_list("claim", "team", "roles"))
        teams: dict[str, int] = {}
        roles = set()
        if rules:
            for team in team_selectors.all_teams():
                teams[team.key] = team.id
                names.setdefault(team.id, team.name)
                if team.kind == "role":
                    roles.add(team.id)
        return cls({claim: frozenset(ids) for claim, ids in exact.items()}, rules, teams, frozenset(roles), names)

    def of(self, words: Iterable[str]) -> frozenset[int]:
        """The teams that these groups of the provider mean."""
        found: set[int] = set()
        for word in words:
            found |= self.exact.get(word.casefold(), frozenset())
            for rule in self.rules:
                group = self.teams.get(rule.key_of(word))
                if group is not None and (rule.roles or group not in self.roles):
                    found.add(group)
        return frozenset(found)

    def reachable(self) -> frozenset[int]:
        """Every team that some group of the provider could mean."""
        found = set().union(*self.exact.values()) if self.exact else set()
        for key, group in self.teams.items():
            if any(rule.may_mean(key) and (rule.roles or group not in self.roles) for rule in self.rules):
                found.add(group)
        return frozenset(found)

    def named(self, groups: Iterable[int]) -> list[str]:
        return sorted(self.names[group] for group in groups)


def follow(before: Mapping[int, Iterable[str]], after: Mapping[int, Iterable[str]]) -> int:
    """Accounts whose groups of the provider were those of `before` and are those of `after`: they join the teams that
    the new ones mean, and leave those that only the old ones meant. Other teams are not touched. How many places that
    were. In a transaction; triggers tell each in the ledger, in the name of who acts now."""
    mappings = Mappings.load()
    if not mappings.exact and not mappings.rules:
        return 0
    through = User.groups.through
    present: dict[int, set[int]] = {}
    rows = through._default_manager.filter(user_id__in=list(after)).values_list("user_id", "group_id")
    for person, group in rows:
        present.setdefault(person, set()).add(group)
    joins, leaves = [], Q()
    for person, words in after.items():
        had, has, held = mappings.of(before.get(person, ())), mappings.of(words), present.get(person, set())
        joins += [through(user_id=person, group_id=group) for group in sorted(has - held)]
        if gone := (had - has) & held:
            leaves |= Q(user_id=person, group_id__in=gone)
    through._default_manager.bulk_create(joins, ignore_conflicts=True)
    left = through._default_manager.filter(leaves).delete()[0] if leaves else 0
    return len(joins) + int(left)
