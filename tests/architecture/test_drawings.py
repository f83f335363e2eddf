"""The drawings in docs/reference are those of the present models."""

from __future__ import annotations

from django.apps import apps

from portal import drawings
from tests.architecture.tree import text


def test_the_drawn_states_are_those_of_the_quarantine():
    """Exactly one model of the runtime keeps messages `behind` one another; its choices are the drawn states."""
    kept = [
        {value for value, _ in field.flatchoices}
        for model in apps.get_app_config("runtime").get_models()
        for field in model._meta.concrete_fields
        if field.name == "state" and any(value == "behind" for value, _ in field.flatchoices)
    ]
    assert kept == [set(drawings.QUARANTINED)]


def test_every_drawn_state_is_explained_and_can_be_left_or_ends():
    named = {state for start, to, _ in drawings.MOVES for state in (start, to)} - {"[*]"}
    assert named == set(drawings.EXPLAINED)
    assert set(drawings.QUARANTINED) <= named


def test_the_drawings_are_current():
    """Otherwise: `make drawings`."""
    stale = [name for name, content in drawings.documents().items() if text(f"docs/reference/{name}") != content]
    assert stale == []
