"""What is measured and told of the working day of `scene`, without measuring it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kernel import clock
from runtime.models import Alert, AlertRule, AlertSilence, ServiceIndicator
from tests.runtime.scene import Day


@dataclass(frozen=True, slots=True)
class WatchedDay:
    """What is measured and told of a day: an indicator of the sales, a rule, an open alert and a silence."""

    level: int
    alert: int
    rule: int
    silence: int


def watched(made: Day) -> WatchedDay:
    """The same at each call."""
    level, _ = ServiceIndicator.objects.get_or_create(
        kind="latency", environment="production", stream=made.sales.stream, target="journal", system_key="s4"
    )
    values = {"condition": "burn", "factor": 6, "severity": "page", "integration": made.sales.integration}
    rule, _ = AlertRule.objects.get_or_create(name="Sales burn", defaults=values)
    about = {"kind": "flow", "environment": "production", "stream": made.sales.stream, "target": "journal"}
    about |= {"system_key": "s4", "severity": "page", "title": "Latency of sales burns"}
    alert, _ = Alert.objects.get_or_create(cause="flow:sales:journal", defaults=about)
    told = {"until": clock.now() + timedelta(hours=1), "reason": "they move", "integration": made.sales.integration}
    silence = AlertSilence.objects.first() or AlertSilence.objects.create(**told)
    return WatchedDay(level.pk, alert.pk, rule.pk, silence.pk)
