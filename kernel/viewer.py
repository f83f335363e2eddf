"""Who is asking. Every selector takes a viewer, so that the query itself decides what that person may see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in user with the ids of the groups (teams) at this moment, or the system itself.

    `system` is for workers and checks: sees everything, owns nothing, and never fills an approval slot.
    """

    user: Any = None
    team_ids: frozenset[int] = field(default_factory=frozenset)
    system: bool = False

    @classmethod
    def of(cls, user: Any) -> Viewer:
        """The viewer for a user, with the groups as they are now: a person who has left a team loses its rights at
        once.

        The user of a token carries the groups that were read with the token.
        """
        if user is None or not user.is_authenticated:
            return cls()
        read: frozenset[int] | None = getattr(user, "team_ids_read", None)
        return cls(
            user=user, team_ids=read if read is not None else frozenset(user.groups.values_list("id", flat=True))
        )

    @property
    def sees_everything(self) -> bool:
        return self.system or bool(self.user and self.user.is_superuser)

    @property
    def id(self) -> int | None:
        return self.user.pk if self.user else None


SYSTEM = Viewer(system=True)


@dataclass(frozen=True, slots=True)
class Permission:
    """The answer of a `permissions.py` function; `reason` is shown beside the disabled button."""

    allowed: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.allowed
