"""Service levels for Prometheus: the standings that pages show, so that its rules burn by the same objectives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kernel.measures import Declared, Found, reading
from kernel.viewer import SYSTEM
from runtime.domain.alert_rules import SEVERITIES
from runtime.models import Alert, ServiceIndicator
from runtime.selectors import service_levels
from runtime.selectors.service_levels import ServiceLevel

FLOW = ("environment", "integration", "target", "indicator")
OF_SYSTEM = ("environment", "system")
WINDOWS = {"5": "5m", "30": "30m", "60": "1h", "360": "6h", "4320": "3d"}

FLOW_RATIO = reading("flow_service_level_ratio", "Good share of the last 28 days; absent without evidence.", FLOW)
FLOW_OBJECTIVE = reading("flow_service_level_objective_ratio", "Good share that is promised.", FLOW)
FLOW_LEFT = reading(
    "flow_service_level_budget_left_ratio", "Share of the error budget of 28 days that is left; below 0: missed.", FLOW
)
FLOW_BURN = reading(
    "flow_service_level_burn_rate", "How many times too fast the error budget is spent, by window.", (*FLOW, "window")
)
FLOW_UNKNOWN = reading("flow_service_level_unknown", "Whether the verdict is unknown: 1 or 0.", FLOW)
VENDOR_RATIO = reading(
    "vendor_service_level_ratio", "Availability of the last 28 days; absent without evidence.", OF_SYSTEM
)
VENDOR_OBJECTIVE = reading("vendor_service_level_objective_ratio", "Availability that is promised.", OF_SYSTEM)
VENDOR_LEFT = reading(
    "vendor_service_level_budget_left_ratio",
    "Share of the error budget of 28 days that is left; below 0: missed.",
    OF_SYSTEM,
)
VENDOR_BURN = reading(
    "vendor_service_level_burn_rate",
    "How many times too fast the error budget is spent, by window.",
    (*OF_SYSTEM, "window"),
)
VENDOR_UNKNOWN = reading("vendor_service_level_unknown", "Whether the verdict is unknown: 1 or 0.", OF_SYSTEM)
MEASURED = reading("service_levels_measured_timestamp_seconds", "When service levels were last measured and evaluated.")
ALERTS = reading("alerts_open", "Open alerts, those that are silenced or acknowledged included.", ["severity"])
_OF_FLOW = (FLOW_RATIO, FLOW_OBJECTIVE, FLOW_LEFT, FLOW_BURN, FLOW_UNKNOWN)
_OF_VENDOR = (VENDOR_RATIO, VENDOR_OBJECTIVE, VENDOR_LEFT, VENDOR_BURN, VENDOR_UNKNOWN)


def read() -> Iterator[Found]:
    rows = ServiceIndicator.objects.filter(active=True)
    for environment in sorted(set(rows.values_list("environment", flat=True))):
        for one in service_levels.listed(SYSTEM, environment, days=False):
            place = (environment, one.integration, one.target, one.kind) if one.integration else None
            yield from _level(one, place or (environment, one.system), _OF_FLOW if place else _OF_VENDOR)
    evaluated = rows.order_by("-evaluated_at").exclude(evaluated_at=None).values_list("evaluated_at", flat=True).first()
    if evaluated is not None:
        yield Found(MEASURED, (), evaluated.timestamp())
    counts = Counter(Alert.objects.filter(state=Alert.State.OPEN).values_list("severity", flat=True))
    for severity in SEVERITIES:
        yield Found(ALERTS, (severity,), counts[severity])


def _level(one: ServiceLevel, place: tuple[str, ...], families: tuple[Declared, ...]) -> Iterator[Found]:
    ratio, objective, left, burn, unknown = families
    yield Found(unknown, place, int(one.state == "unknown"))
    if one.objective is not None:
        yield Found(objective, place, float(one.objective.share) / 100)
    if one.stale or one.standing is None:
        return
    for family, value in ((ratio, one.standing.rolling.ratio), (left, one.standing.rolling.left)):
        if value is not None:
            yield Found(family, place, value)
    for minutes, window in WINDOWS.items():
        rate = one.standing.burn.get(minutes)
        if rate is not None:
            yield Found(burn, (*place, window), rate)
