"""Reconciliation by day: received, delivered, and reported by the target system; as pages and as CSV files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from catalog.selectors import systems
from kernel.errors import NotFound
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain.reconciliation import BEHIND, BLOCKED, CLOSED, DEAD, DECLINED, RETRYING, STATES, UNKNOWN, WAITING
from runtime.models import Integration
from runtime.selectors import daily_totals
from runtime.services import daily_accounts, target_comparison
from runtime.services.daily_accounts import DailyAccount, StoreLine
from runtime.web import environment

PAGE = 100
WAYS = (("business", "Business day"), ("arrival", "Day of arrival"))
OVERVIEW_COLUMNS = (
    *("day", "integration", "read", "accepted", "unchanged", "older", "in the log", "refused", "conflicts", "target"),
    *("due", "delivered", "not meant", "superseded", "waiting", "tried again", "behind", "dead", "unknown", "closed"),
    *(
        "declined",
        "blocked",
        "read refused",
        "read refused again",
        "read conflicts",
        "read conflicts again",
        "difference",
    ),
)
COMPARISON_COLUMNS = (
    *("target", "store", "asked at", "due", "asked", "both agree", "missing there", "there all the same"),
    *("no answer", "note", "there more than once", "another amount", "there, state not proven"),
)


def chosen_way(text: str) -> str:
    return text if text in dict(WAYS) else "arrival"


@never_cache
@require_safe
def reconciliation(request: HttpRequest) -> HttpResponse:
    """Every flow on one day of arrival; `format=csv` gives a file."""
    viewer, place, day = (
        Viewer.of(request.user),
        environment.chosen(request),
        daily_totals.chosen_day(request.GET.get("day", "")),
    )
    found = daily_totals.overview(viewer, place, day)
    if request.GET.get("format") == "csv":
        return _file(f"reconciliation-{day}.csv", _overview_rows(found, day))
    context = {
        "environment": place,
        "environments": environment.segments(request, place),
        "flows": found,
        "open": sum(line.open for flow in found for line in flow.targets),
        "never": sum(flow.rejected + flow.conflicts for flow in found),
        "differ": sum(1 for flow in found if flow.difference),
    }
    return render(request, "runtime/reconciliation.html", context | _days(day))


def _days(day: date) -> dict[str, Any]:
    return {
        "day": day,
        "today": daily_totals.today(),
        "before": day - timedelta(days=1),
        "after": day + timedelta(days=1),
    }


def _seen(request: HttpRequest, key: str) -> tuple[Viewer, Integration]:
    viewer = Viewer.of(request.user)
    found = permissions.visible(viewer).select_related("owner_team").filter(key=key).first()
    if found is None:
        raise NotFound("integration.unknown", f"There is no integration {key!r}, or you may not see it.")
    return viewer, found


@never_cache
@require_safe
def flow(request: HttpRequest, key: str) -> HttpResponse:
    """One flow on one day, by store; `format=csv` gives the lines, with `part=cases` the open messages."""
    viewer, integration = _seen(request, key)
    place, day, by = (
        environment.chosen(request),
        daily_totals.chosen_day(request.GET.get("day", "")),
        chosen_way(request.GET.get("by", "")),
    )
    account = daily_accounts.account(integration, place, day, by=by)
    compared = daily_totals.comparisons(account.stream, day, by)
    if request.GET.get("format") == "csv":
        if request.GET.get("part") == "cases":
            return _file(f"reconciliation-{key}-{day}-cases.csv", _case_rows(account, compared))
        return _file(f"reconciliation-{key}-{day}.csv", _line_rows(account, compared))
    names = {one.key: one.name for one in systems.all_systems()}
    lines = sorted(account.lines, key=lambda one: (one.tally.balanced, one.target, one.store))
    context = {
        "integration": integration,
        "environment": place,
        "environments": environment.segments(request, place),
        "account": account,
        "by": by,
        "ways": [{"label": label, "url": _query(request, by=way), "current": way == by} for way, label in WAYS],
        "page": Paginator(lines, PAGE).get_page(request.GET.get("page")),
        "targets": _targets(account.lines, compared, names),
        "names": names,
        "compared": compared,
        "compared_cases": [
            case | {"target": one.target, "instance": one.instance} for one in compared for case in one.cases
        ][:PAGE],
        "operate": permissions.may_operate(viewer, integration),
        "limit": daily_accounts.LIMIT,
    }
    return render(request, "runtime/reconciliation_flow.html", context | _days(day))


def _query(request: HttpRequest, **changes: str) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    for name, value in changes.items():
        query[name] = value
    return f"?{query.urlencode()}"


def _targets(
    lines: Sequence[StoreLine], compared: Sequence[daily_totals.ComparisonRow], names: dict[str, str]
) -> list[dict[str, Any]]:
    """Sums over the stores, one row per target: `instances` are the stores of a fleet, `asked` counts those queried."""
    made: dict[str, dict[str, Any]] = {}
    for one in lines:
        row = made.setdefault(
            one.target,
            {"target": one.target, "system": names.get(one.system, one.system), "instances": []}
            | dict.fromkeys(("due", "asked", "on_the_way", "with_a_person", "ended_otherwise", *STATES), 0),
        )
        row["due"] += one.tally.due.count
        row["on_the_way"] += one.tally.count(WAITING, RETRYING, BEHIND)
        row["with_a_person"] += one.tally.count(DEAD, UNKNOWN, BLOCKED)
        row["ended_otherwise"] += one.tally.count(DECLINED, CLOSED)
        row["instances"] += [one.store] if one.fleet else []
        for state in STATES:
            row[state] += one.tally.count(state)
    for other in compared:
        if other.target in made:
            made[other.target]["asked"] += 1
    return list(made.values())


@require_POST
def compare(request: HttpRequest, key: str) -> HttpResponse:
    """Query the target; the flow's page shows the answer."""
    viewer, integration = _seen(request, key)
    permissions.require_operate(viewer, integration, outcome="The target was not queried.")
    place, day, by = (
        environment.chosen(request),
        daily_totals.chosen_day(request.POST.get("day", "")),
        chosen_way(request.POST.get("by", "")),
    )
    target, _, instance = request.POST.get("target", "").replace("\0", "")[:200].partition("/")
    made = target_comparison.compare(
        integration, place, day, by=by, target=target, instance=instance, actor=viewer.user
    )
    messages.success(request, f"Queried {made.asked:,} of {made.due:,} messages: {made.agreed:,} agree.")
    query = {"day": day.isoformat(), "by": by} | ({"environment": place} if place != environment.DEFAULT else {})
    return redirect(f"{reverse('runtime:reconciliation-flow', args=[key])}?{urlencode(query)}")


# -- files -------------------------------------------------------------------------------------------------------------
def _file(name: str, rows: Iterable[Sequence[Any]]) -> HttpResponse:
    answer = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
    writer = csv.writer(answer)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return answer


def _cell(value: Any) -> str:
    """Empty for unknown. Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _overview_rows(found: Sequence[daily_totals.FlowLine], day: date) -> Iterable[Sequence[Any]]:
    yield OVERVIEW_COLUMNS
    for line in found:
        counts = (line.read, line.accepted, line.unchanged, line.older, line.logged, line.rejected, line.conflicts)
        source = (day, line.integration, *counts)
        read = (line.read_rejected, line.read_again, line.read_conflicts, line.read_conflicts_again, line.difference)
        for one in line.targets:
            settled = (one.target, one.due, one.delivered, one.skipped, one.superseded)
            yield (
                *source,
                *settled,
                one.waiting,
                one.retrying,
                one.behind,
                one.dead,
                one.unknown,
                one.closed,
                one.declined,
                one.blocked,
                *read,
            )
        if not line.targets:
            yield (*source, *[None] * (len(OVERVIEW_COLUMNS) - len(source) - len(read)), *read)


def _line_rows(account: DailyAccount, compared: Sequence[daily_totals.ComparisonRow]) -> Iterable[Sequence[Any]]:
    yield ("day", "by", "integration", "target", "store", "due", "amount due", "currency", "amount delivered", *STATES)
    for one in account.lines:
        due, got = one.tally.due, one.tally.by_state["delivered"]
        yield (
            account.day,
            account.by,
            account.integration,
            one.target,
            one.store,
            due.count,
            due.amount if due.known else None,
            due.currency if due.known else "",
            got.amount if got.known else None,
            *(one.tally.count(state) for state in STATES),
        )
    yield ()
    yield COMPARISON_COLUMNS
    for other in compared:
        at = other.at.isoformat(timespec="seconds")
        counts = (other.due, other.asked, other.agreed, other.missing, other.extra, other.silent)
        yield other.target, other.instance, at, *counts, other.note, other.twice, other.differs, other.unproven


def _case_rows(account: DailyAccount, compared: Sequence[daily_totals.ComparisonRow]) -> Iterable[Sequence[Any]]:
    yield ("what", "target", "store", "key", "correlation", "state here")
    for gap in account.gaps:
        yield (
            "gap",
            "",
            gap.store,
            f"till {gap.till}, {gap.first} to {gap.last}",
            "",
            f"{gap.count} numbers did not come",
        )
    for case in account.cases:
        yield (case.what, case.target, case.store, case.entry.key, case.entry.correlation, case.state)
    for other in compared:
        for one in other.cases:
            yield (one["what"], other.target, other.instance, one["key"], one["correlation"], one["state"])
