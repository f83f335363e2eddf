"""The navigation of every page: links with their counts, the lines at its foot, who is signed in.

A room offers its counts in `<room>/selectors/navigation.py`:
`counts(viewer) -> dict[str, int | None]`, keyed by link (`inbox`, `changes`, `dead-letters`), and
`lines(viewer) -> list[str]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from kernel.viewer import Viewer

ROOMS = ("catalog", "governance", "runtime")


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the navigation. `count` None or 0 shows none; `tone` colours it."""

    label: str
    icon: str
    url: str
    current: bool = False
    count: int | None = None
    tone: str = ""


@dataclass(frozen=True, slots=True)
class NavigationGroup:
    """Links below one title; the first group has none."""

    title: str
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Navigation:
    """What `templates/parts/nav.html` and `top.html` print."""

    groups: tuple[NavigationGroup, ...]
    lines: tuple[str, ...]
    teams: tuple[str, ...]
    search_url: str
    settings_url: str


# (title, ((label, icon, URL name, key of its count, tone of the count), …))
LINKS: tuple[tuple[str, tuple[tuple[str, str, str, str, str], ...]], ...] = (
    ("", (("Inbox", "inbox", "governance:inbox", "inbox", "accent"),)),
    (
        "Catalog",
        (
            ("APIs", "catalog", "catalog:apis", "", ""),
            ("Register an API", "plus", "catalog:register", "", ""),
            ("Systems", "system", "catalog:systems", "", ""),
            ("Systems of record", "matrix", "catalog:systems-of-record", "", ""),
            ("Deprecations", "wait", "catalog:deprecations", "", ""),
        ),
    ),
    (
        "Governance",
        (
            ("Changes", "change", "governance:changes", "changes", ""),
            ("Gate", "gate-open", "governance:gate", "", ""),
            ("Deployments", "system", "governance:deployments", "", ""),
            ("Freeze calendar", "calendar", "governance:freezes", "", ""),
            ("Policies", "policy", "governance:policies", "", ""),
            ("Waivers", "shield", "governance:waivers", "", ""),
            ("Break-glass", "alert", "governance:break-glass", "", ""),
            ("Ledger", "ledger", "ledger", "", ""),
        ),
    ),
    (
        "Runtime",
        (
            ("Today", "pulse", "runtime:today", "", ""),
            ("Integrations", "link", "runtime:integrations", "", ""),
            ("Stores", "store", "runtime:stores", "", ""),
            ("Service levels", "tick", "runtime:service-levels", "", ""),
            ("Alerts", "alert", "runtime:alerts", "", ""),
            ("Dead letters", "dead", "runtime:dead-letters", "dead-letters", "stop"),
            ("Trace", "trace", "runtime:traces", "", ""),
            ("Reconciliation", "balance", "runtime:reconciliation", "", ""),
        ),
    ),
    (
        "Settings",
        (
            ("Teams and tokens", "team", "tokens", "", ""),
            ("Pipelines", "trace", "governance:pipelines", "", ""),
            ("Webhooks", "link", "governance:webhooks", "", ""),
        ),
    ),
)


def context(request: HttpRequest) -> dict[str, Any]:
    """The context processor. Lazy: a fragment without navigation costs no query."""
    return {"navigation": SimpleLazyObject(lambda: build(request))}


def build(request: HttpRequest) -> Navigation:
    """The navigation for this viewer. A link whose URL name no room answers to is left out."""
    user = getattr(request, "user", None)
    viewer = Viewer.of(user)
    counts: dict[str, int | None] = {}
    lines: list[str] = []
    for room in ROOMS if viewer.user else ():
        selectors = _selectors(room)
        counts |= selectors.counts(viewer) if hasattr(selectors, "counts") else {}
        lines += selectors.lines(viewer) if hasattr(selectors, "lines") else []
    return Navigation(
        groups=_groups(request.path, counts),
        lines=tuple(lines),
        teams=tuple(viewer.user.groups.values_list("name", flat=True)) if viewer.user else (),
        search_url=address("search"),
        settings_url=address("tokens"),
    )


def address(name: str, *arguments: object) -> str:
    """The path behind a URL name, or an empty string where no room answers to it."""
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return ""


def _groups(path: str, counts: dict[str, int | None]) -> tuple[NavigationGroup, ...]:
    known = [(title, [(link, address(link[2])) for link in links]) for title, links in LINKS]
    here = max((url for _, links in known for _, url in links if url and path.startswith(url)), key=len, default="")
    groups = []
    for title, links in known:
        shown = tuple(
            Link(label, icon, url, url == here, counts.get(key) if key else None, tone)
            for (label, icon, _, key, tone), url in links
            if url
        )
        if shown:
            groups.append(NavigationGroup(title, shown))
    return tuple(groups)


def _selectors(room: str) -> Any:
    """The room's `selectors.navigation`, or None where it has none."""
    name = f"{room}.selectors.navigation"
    try:
        return import_module(name) if find_spec(name) else None
    except ModuleNotFoundError:
        return None
