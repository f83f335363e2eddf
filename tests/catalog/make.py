"""Builders: one small estate from its blueprint, and people of it."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from django.test import Client

from catalog.services import estate as estate_of
from kernel.models import User

ESTATE = Path(__file__).parent / "estate"


@lru_cache(maxsize=1)
def _blueprint() -> dict[str, Any]:
    return yaml.safe_load((ESTATE / "blueprint.yaml").read_text())


def blueprint() -> dict[str, Any]:
    """A copy of the document, to be changed by a test."""
    return copy.deepcopy(_blueprint())


def estate(document: dict[str, Any] | None = None) -> estate_of.Report:
    return estate_of.apply(document or blueprint(), actor=None, base_dir=ESTATE)


def person(username: str) -> User:
    return User.objects.get(username=username)


def client(username: str) -> Client:
    made = Client()
    made.force_login(person(username))
    return made


def contract(name: str) -> bytes:
    return (ESTATE / name).read_bytes()
