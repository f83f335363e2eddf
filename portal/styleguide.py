"""Every part in every state, on one page. What is shown is illustration; the parts are the real ones."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from django import forms
from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from kernel import clock
from kernel.digest import digest_bytes
from kernel.money import Money
from kernel.ui import tones
from kernel.viewer import Permission

RATES = (2.1, 2.0, 2.2, 2.1, 1.2, 1.3, 2.1, 2.0, 2.2, 2.1)


class SampleForm(forms.Form):
    """One field of each kind; shown bound and refused."""

    slug = forms.SlugField(label="Short name", help_text="In addresses. Cannot change later.")
    team = forms.ChoiceField(
        label="Owner team",
        choices=[("", "Choose a team"), ("pricing", "Pricing")],
        error_messages={"required": "Choose who answers for it."},
    )
    sunset = forms.DateField(label="Sunset", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    digest = forms.CharField(
        label="Digest", required=False, widget=forms.TextInput(attrs={"readonly": True, "class": "mono"})
    )
    reason = forms.CharField(
        label="Reason",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "Needed for reject and request changes"}),
    )
    how = forms.ChoiceField(label="How", choices=[("command", "Command"), ("copy", "Copy")], widget=forms.RadioSelect)
    agree = forms.BooleanField(label="Tell all consumers by mail", required=False)
    systems = forms.MultipleChoiceField(
        label="Systems",
        required=False,
        choices=[("erp", "ERP core"), ("pos", "Tills")],
        widget=forms.CheckboxSelectMultiple,
    )
    contract = forms.FileField(
        label="Contract",
        required=False,
        help_text="OpenAPI, AsyncAPI, JSON Schema, EDMX, GraphQL, WSDL or XSD, at most 10 MB.",
    )


@cache
def icons() -> tuple[str, ...]:
    """The names in the sprite, in its order."""
    sprite = (settings.BASE_DIR / "templates" / "parts" / "sprite.html").read_text()
    return tuple(re.findall(r'<symbol id="i-([\w-]+)"', sprite))


def styleguide(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/styleguide.html", samples())


def samples() -> dict[str, Any]:
    now = clock.now()
    return {
        "digest_a": digest_bytes(b"price-api v3"),
        "digest_b": digest_bytes(b"price-api v2"),
        "void_digest": digest_bytes(b"price-api v3, first try"),
        "yesterday": now - timedelta(hours=22),
        "in_days": now + timedelta(days=5),
        "total": Money(Decimal("41327.15"), "EUR"),
        "refused": Permission(False, "You submitted this change, so somebody else decides."),
        "form": SampleForm(
            {
                "slug": "gift-card",
                "team": "",
                "sunset": "2027-06-30",
                "digest": "sha256:9f2c41d7",
                "how": "command",
                "agree": "on",
            }
        ),
        "tabs": [
            {"label": "Overview", "url": "#", "current": True},
            {"label": "Versions", "url": "#", "count": 3},
            {"label": "Changes", "url": "#", "count": "1 open", "tone": "accent"},
        ],
        "segments": [
            {"label": "In words", "url": "#", "current": True},
            {"label": "As a tree", "url": "#"},
            {"label": "As text", "url": "#"},
        ],
        "page": Paginator(range(148), 20).page(2),
        "checks": [
            {"tone": tones.ok("Passed"), "title": "Contract reads as OpenAPI 3.1", "rule": "contract.valid"},
            {
                "tone": tones.stop("Failed"),
                "title": "No live consumer breaks",
                "why": "Self-checkout has no date.",
                "rule": "contract.breaking",
            },
            {
                "tone": tones.quiet("Not applicable"),
                "title": "Personal data review",
                "why": "No field is personal.",
                "rule": "data.personal",
            },
            {
                "tone": tones.wait("Not run"),
                "title": "Load rehearsal",
                "why": "Blocks until it has run.",
                "rule": "rehearsal.load",
            },
        ],
        "slots": [
            {"name": "Owner of Price", "filled": 1, "needed": 2, "who": "Owner of Price approved at 09:31"},
            {"name": "Architect", "filled": 0, "needed": 1, "you": True, "who": "You can approve here"},
            {"name": "Security", "filled": 0, "needed": 0, "who": "Not needed: no personal data"},
        ],
        "spark": [1.1, 1.2, 1.3, 1.1, 0.9, 1.6, 1.4],
        "rates": [(f"14:{10 + minute}", rate) for minute, rate in enumerate(RATES)],
        "days": list(zip(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), (4, 7, 2, 0, 9, 3, 5), strict=True)),
        "stale": {
            "title": "The contract changed while you were reading",
            "detail": "You saw 41aa07c3, now it is 9f2c41d7. Nothing was decided.",
            "kept": "Your reason was kept: “side by side until June”.",
            "findings": [
                {
                    "message": "currency became required",
                    "pointer": "/components/schemas/PriceQuote/required",
                    "line": 114,
                }
            ],
        },
        "findings": [
            {
                "tone": tones.stop("Breaking", "alert"),
                "say": "`currency` became required in `POST /price-quotes`",
                "affects": "Breaks 3 consumers",
                "anchor": "d1",
            },
            {
                "tone": tones.ok("Compatible"),
                "say": "`note` was added as optional to the answer of `GET /prices/{sku}`",
                "anchor": "d2",
            },
        ],
        "weekdays": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
        "weeks": [[_day(week * 7 + day - 6) for day in range(7)] for week in range(3, 5)],
        "icons": icons(),
    }


def _day(number: int) -> dict[str, Any]:
    """A day of a month of 30 days that begins on a Sunday; the freeze of the example lasts from the 23rd on."""
    tone = tones.stop("Peak trading", "calendar") if 23 <= number <= 30 else None
    return {
        "number": (number - 1) % 30 + 1,
        "month": "Nov" if number <= 30 else "Dec",
        "outside": number > 30,
        "today": number == 18,
        "tone": tone,
    }
