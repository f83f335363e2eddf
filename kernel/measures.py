"""What is measured, in Prometheus' terms: declared once, counted in each process, added up over all of them.

A room declares its counters, histograms and gauges beside the code that moves them. `snapshot` is what this process has
counted; `merge` adds the snapshots of all processes (`kernel.process_measures` keeps them); `families` makes metric
families of the sum. A `reading` is not counted by processes: its value comes from the database at a scrape.

Label values are from closed sets: integrations, targets, systems, environments, kinds, states and routes. Never a key,
a store, an id or a text that came from outside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from kernel import clock

Kind = Literal["counter", "gauge", "histogram"]
AddUp = Literal["sum", "live", "latest"]
CLOCKS_DIFFER = 5.0  # seconds; a stamp further ahead than that is none
Snapshot = dict[str, dict[str, float]]
"""Sample name → label values as a JSON list → value."""

PREFIX = "tillgate_"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_registry = CollectorRegistry(auto_describe=False)
_declared: dict[str, Declared] = {}
_before: list[Callable[[], None]] = []


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric. `name` is that of its family, without `_total`. `add_up`: how the values of several processes become
    one; `sum` also of those that have ended, `live` only of running ones, `latest` the greatest that is not in the
    future."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    add_up: AddUp = "sum"
    counted: bool = True

    @property
    def exposed(self) -> str:
        """The name that a query uses; a histogram has `_bucket`, `_sum` and `_count` behind it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


class Found(NamedTuple):
    """A value that was read from the database for a reading."""

    of: Declared
    labels: tuple[str, ...]
    value: float


def declared() -> list[Declared]:
    """Everything that is measured, by name."""
    return [_declared[name] for name in sorted(_declared)]


def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
    """A counter of this process; its family is `name`, its sample `name_total`."""
    made = _declare(Declared(PREFIX + name, "counter", text, tuple(labels)))
    return Counter(made.name, text, made.labels, registry=_registry)


def histogram(name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS) -> Histogram:
    made = _declare(Declared(PREFIX + name, "histogram", text, tuple(labels)))
    return Histogram(made.name, text, made.labels, buckets=buckets, registry=_registry)


def gauge(name: str, text: str, labels: Sequence[str] = (), *, add_up: AddUp = "live") -> Gauge:
    made = _declare(Declared(PREFIX + name, "gauge", text, tuple(labels), add_up))
    return Gauge(made.name, text, made.labels, registry=_registry)


def reading(name: str, text: str, labels: Sequence[str] = (), *, kind: Kind = "gauge") -> Declared:
    """A metric whose value is read from the database at a scrape."""
    return _declare(Declared(PREFIX + name, kind, text, tuple(labels), counted=False))


def _declare(made: Declared) -> Declared:
    if made.name in _declared:
        raise ValueError(f"{made.name} is declared twice")
    _declared[made.name] = made
    return made


def before_snapshot(function: Callable[[], None]) -> None:
    """Call `function` before every snapshot: it sets gauges that nobody else moves, such as the size of a pool."""
    _before.append(function)


def snapshot() -> Snapshot:
    """What this process has counted until now."""
    for function in _before:
        function()
    found: Snapshot = {}
    for family in _registry.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                found.setdefault(sample.name, {})[json.dumps(list(sample.labels.values()))] = sample.value
    return found


def merge(into: Snapshot, more: Snapshot, *, ended: bool = False) -> Snapshot:
    """Add one snapshot to another, in place. `ended`: `more` is of a process that is gone."""
    for sample, values in more.items():
        add_up = _add_up(sample)
        if ended and add_up == "live":
            continue
        mine = into.setdefault(sample, {})
        for labels, value in values.items():
            if add_up == "latest" and value > clock.now().timestamp() + CLOCKS_DIFFER:
                continue  # a process whose clock was wrong: its stamp would hide for so long that nothing succeeds
            known = mine.get(labels)
            if known is None:
                mine[labels] = value
            else:
                mine[labels] = max(known, value) if add_up == "latest" else known + value
    return into


def less(snapshot_now: Snapshot, before: Snapshot) -> Snapshot:
    """What was counted since `before`; gauges as they are now."""
    made: Snapshot = {}
    for sample, values in snapshot_now.items():
        known = before.get(sample, {}) if _add_up(sample) == "sum" else {}
        made[sample] = {labels: value - known.get(labels, 0.0) for labels, value in values.items()}
    return made


def _add_up(sample: str) -> AddUp:
    made = _declared.get(sample)
    return made.add_up if made is not None else "sum"


def families(total: Snapshot, readings: Iterable[Found]) -> Iterator[Metric]:
    """Metric families by name, for an encoder. A metric without a value has no family, and a sample whose labels are
    not those that are declared here, of a process of another version, is left out."""
    read: dict[str, list[Found]] = {}
    for found in readings:
        read.setdefault(found.of.name, []).append(found)
    for made in declared():
        family = _counted(made, total) if made.counted else _read(made, read.get(made.name, ()))
        if family.samples:
            yield family


def _read(made: Declared, found: Iterable[Found]) -> Metric:
    family = _empty(made)
    for one in found:
        family.add_metric(one.labels, one.value)
    return family


def _counted(made: Declared, total: Snapshot) -> Metric:
    if made.kind == "histogram":
        return _histogram(made, total)
    family = _empty(made)
    for labels, value in sorted(total.get(made.exposed, {}).items()):
        values = json.loads(labels)
        if len(values) == len(made.labels):
            family.add_metric(values, value)
    return family


def _empty(made: Declared) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if made.kind == "counter" else GaugeMetricFamily
    return kind(made.name, made.help, labels=made.labels)


def _histogram(made: Declared, total: Snapshot) -> HistogramMetricFamily:
    family = HistogramMetricFamily(made.name, made.help, labels=made.labels)
    buckets: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    for labels, value in total.get(f"{made.name}_bucket", {}).items():
        *mine, le = json.loads(labels)
        if len(mine) == len(made.labels):
            buckets.setdefault(tuple(mine), []).append((le, value))
    sums = total.get(f"{made.name}_sum", {})
    for values, counts in sorted(buckets.items()):
        counts.sort(key=lambda one: float(one[0]))
        family.add_metric(values, buckets=counts, sum_value=sums.get(json.dumps(list(values)), 0.0))
    return family
