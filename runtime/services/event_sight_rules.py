"""Who is told of which event of the runtime by a webhook: registered by `RuntimeConfig.ready()`."""

from __future__ import annotations

from governance.selectors import event_sight
from governance.selectors.event_sight import Event
from kernel.viewer import Viewer
from runtime import permissions
from runtime.models import TargetSubscription
from runtime.selectors import alerts

_OF_AN_INTEGRATION = (
    "deployed",
    "rolled_back",
    "retired",
    "paused",
    "resumed",
    "release_registered",
    "run_",
    "source_",
    "hook_",
)


def _integration(event: Event, viewer: Viewer) -> bool:
    return bool(permissions.visible(viewer).filter(key=event["key"]).exists())


def _target(event: Event, viewer: Viewer) -> bool:
    """A fault of one target is told to those who see its integration; one of a whole system is open, as the page of
    systems is."""
    number = event["payload"].get("subscription")
    if number is None:
        return True
    mine = permissions.visible(viewer)
    return bool(TargetSubscription.objects.filter(pk=number, stream__integration__in=mine).exists())


def _alert(event: Event, viewer: Viewer) -> bool:
    """Its signals name integrations: all of them have to be seen."""
    named = {signal["integration"] for signal in event["payload"].get("signals", []) if signal.get("integration")}
    seen = permissions.visible(viewer).filter(key__in=named).count() == len(named)
    return seen and alerts.alerts(viewer).filter(pk=event["payload"].get("alert")).exists()


def register_all() -> None:
    event_sight.register([f"runtime.{one}" for one in _OF_AN_INTEGRATION], _integration)
    event_sight.register(["runtime.connection_", "runtime.question_"], _target)
    event_sight.register(["runtime.alert_"], _alert)
    event_sight.register(["runtime.rewound", "runtime.recovered", "runtime.workers_"], event_sight.everybody)
