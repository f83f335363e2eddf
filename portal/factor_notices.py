"""Tells people what became of their second factors: in the inbox and by mail, whatever the way was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from governance.services import notices

KIND = "second_factor"
WORDS = {
    "kernel.factor_added": "You added a second factor: {what}",
    "kernel.factor_removed": "You removed a second factor: {what}",
    "kernel.factor_given": "{by} added a second factor to your account: {what}",
    "kernel.factor_reset": "{by} removed a second factor of your account: {what}",
    "kernel.factor_replaced": "A second factor of your account was replaced: {what}",
    "kernel.recovery_codes_made": "You have new recovery codes",
    "kernel.recovery_code_used": "A recovery code of your account was used",
}


def on_changed(event: Mapping[str, Any]) -> None:
    about = event["payload"]
    words = WORDS.get(about["verb"])
    if words is None:
        return
    what = f"{about['kind']} {about.get('name', '')}".strip()
    _tell(event, words.format(by=about["by"] or "Somebody", what=what))


def on_guessed(event: Mapping[str, Any]) -> None:
    tries = event["payload"]["tries"]
    _tell(event, f"Somebody who knows your password typed {tries} wrong codes. If it was not you, change it now")


def on_copied(event: Mapping[str, Any]) -> None:
    name = event["payload"]["name"]
    _tell(event, f"The passkey {name} was refused, since there may be a copy of it. Remove it")


def _tell(event: Mapping[str, Any], text: str) -> None:
    notices.write(event, [event["payload"]["person"]], KIND, f"{text}.", reverse("account"))
