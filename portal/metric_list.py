"""docs/reference/metrics.md, made from what is declared."""

from __future__ import annotations

from kernel import process_measures
from kernel.measures import Declared, declared
from portal import metric_groups, metrics

PAGE = """# Metrics

`/metrics` gives these to Prometheus, in its text format or in OpenMetrics. How to scrape, and which alerts to begin
with: [observe](../how-to/observe.md); why they are kept as they are: [decision {decision}](../decisions/{record}).
Made from the code by `make drawings`; do not edit.

- A scrape of any web process meets **all** processes on all hosts: scrape one address, the one that people use. What
  processes count is at most {every:g} seconds old; what a killed process counted in its last seconds is lost. A
  process that ends keeps its counts, so counters never fall.
- Readings (the column *from*: database) are read for a scrape and kept for {kept:g} seconds, or {times:g} times as long
  as reading them took, in each web process. A group that fails or needs more than {limit:g} seconds is left out, and
  `tillgate_scrape_group_success` says so.
- A token sees the integrations and vendors that its account may see, and everything about the installation.
- Labels are of closed sets. The **stores** of a target are summed up (counts are added, of ages the greatest counts),
  vendors by system; no label holds a key, a store, an address or a text from outside. So the number of series grows
  with integrations × targets × environments, and not with stores or messages.

| metric | kind | labels | from | |
|---|---|---|---|---|
"""


def page() -> str:
    head = PAGE.format(
        decision=int(metrics.RECORD[:4]),
        record=metrics.RECORD,
        every=process_measures.EVERY_SECONDS,
        kept=metric_groups.KEPT_SECONDS,
        times=metric_groups.KEPT_TIMES,
        limit=metric_groups.LIMIT_MS / 1000,
    )
    return head + "".join(_row(one) for one in declared())


def _row(one: Declared) -> str:
    labels = ", ".join(f"`{label}`" for label in one.labels)
    return f"| `{one.exposed}` | {one.kind} | {labels} | {'processes' if one.counted else 'database'} | {one.help} |\n"
