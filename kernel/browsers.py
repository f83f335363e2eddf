"""The family of a browser and of its system, from what it says of itself: enough for a person to know their own."""

from __future__ import annotations

UNNAMED = "a program that does not say its name"
OTHER = "another program"
# In this order: most of them name others as well, to be served what those are served.
_FAMILIES = (
    ("Edge", ("Edg/", "EdgA/", "EdgiOS/")),
    ("Opera", ("OPR/", "OPT/")),
    ("Samsung Internet", ("SamsungBrowser/",)),
    ("Firefox", ("Firefox/", "FxiOS/")),
    ("Chrome", ("Chrome/", "CriOS/", "Chromium/")),
    ("Safari", ("Safari/",)),
)
_SYSTEMS = (
    ("iOS", ("iPhone", "iPad")),
    ("Android", ("Android",)),
    ("Windows", ("Windows",)),
    ("macOS", ("Mac OS X", "Macintosh")),
    ("ChromeOS", ("CrOS",)),
    ("Linux", ("Linux", "X11")),
)


def family(agent: str) -> str:
    """Such as `Firefox on Windows`, without a version: a browser that was renewed is the same."""
    if not agent.strip():
        return UNNAMED
    name = _first(_FAMILIES, agent)
    system = _first(_SYSTEMS, agent)
    return f"{name} on {system}" if name and system else name or OTHER


def _first(known: tuple[tuple[str, tuple[str, ...]], ...], agent: str) -> str:
    return next((name for name, marks in known if any(mark in agent for mark in marks)), "")
