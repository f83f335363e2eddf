"""The person of an account hears that somebody tries its password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from governance.services import notices


def on_sign_ins_failed(event: Mapping[str, Any]) -> None:
    """`kernel.sign_ins_failed`."""
    said = f"{event['payload']['failures']} failed sign-ins with your name within a day"
    text = f"{said}. If they were not yours, tell an administrator"
    notices.write(event, {int(event["key"])}, "sign_in", text, reverse("person", args=[event["key"]]))
