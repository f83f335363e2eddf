"""What a source names no more leaves by choice: it is retired, or kept as the catalog's own. Either is reported as an
import is, and a dry run does the same and undoes it.

Nothing that is in use is retired, and no version that was published: that is a decision of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from django.db import transaction

from catalog.domain import lifecycle
from catalog.models import Api, ApiVersion, Application, Domain, ImportedThing, ImportRun, Subscription, System, Team
from catalog.selectors import ownership
from catalog.services import announcements, audit_snapshots, governed_facts, search_index
from catalog.services.importing import identity
from catalog.services.importing import run as runs
from catalog.services.importing.sources import ImportItem
from catalog.services.importing.target import ImportOutcome, ImportTarget
from kernel import audit, clock
from kernel.errors import Conflict, Invalid, finding
from kernel.models import User
from kernel.ui.wording import counted

RETIRE: Final = "retire"
KEEP: Final = "keep"
CHOICES: Final = (RETIRE, KEEP)
MOST: Final = 1000
_ORDER: Final = {"application": 0, "api": 1, "system": 2, "domain": 3, "team": 4}
_BEYOND_DRAFT: Final = [lifecycle.IN_REVIEW, lifecycle.APPROVED, *lifecycle.LIVE]


def leave(source: str, refs: Sequence[str], *, choice: str, actor: User | None, dry_run: bool = False) -> ImportRun:
    """Retire or keep what the source `source` names no more: those of `refs`, or all of it where `refs` is empty.

    Raises Forbidden for people who are not architects, Invalid `import.choice`, `import.source`, `import.too_many`.
    """
    runs.require_steward(actor)
    if choice not in CHOICES:
        raise _invalid("import.choice", "/choice", f"Choose one of: {', '.join(CHOICES)}.")
    if not source or not ImportedThing.objects.filter(source=source).exists():
        raise _invalid("import.source", "/source_name", f"Nothing here came from a source {source[:200]!r}.")
    if len(refs) > MOST:
        raise _invalid("import.too_many", "/refs", f"More than {MOST} at once. Choose fewer.")
    target = ImportTarget(actor=actor, defaults={}, source=source)
    with transaction.atomic():
        items = _items(source, refs, choice)
        record = ImportRun.objects.create(
            actor=actor,
            source=source,
            source_key=source,
            dry_run=dry_run,
            choice=choice,
            state=ImportRun.State.RUNNING,
            total=len(items),
            started_at=clock.now(),
        )
        if dry_run:
            runs.write_rows(record, runs.attempt(items, target, None))
        else:
            for n, item in enumerate(items, start=1):
                runs.take(record, n, item, target)
        audit.record(
            actor=actor,
            verb="catalog.things_left",
            subject_kind="import",
            subject_id=record.pk,
            after={"source": source, "choice": choice, "dry_run": dry_run, "refs": [i.source for i in items][:100]},
        )
        runs.close(record, len(items))
    return record


def _invalid(code: str, pointer: str, message: str) -> Invalid:
    return Invalid(code, message, {"findings": [finding(pointer, message)]})


def _items(source: str, refs: Sequence[str], choice: str) -> list[ImportItem]:
    """Applications first and teams last, so that each finds gone what it stood in the way of."""
    rows = ImportedThing.objects.filter(source=source)
    if refs:
        things = {t.ref: t for t in rows.filter(ref__in=refs)}
        chosen: list[tuple[str, Any]] = [(ref, things.get(ref)) for ref in dict.fromkeys(refs)]
    else:
        chosen = [(t.ref, t) for t in rows.exclude(gone_since=None) if identity.in_use(t)]
    items = [
        ImportItem(ref, "leave", _ORDER[t.table] if t else 9, (ref,), partial(take, ref, t, choice))
        for ref, t in chosen
    ]
    return sorted(items, key=lambda item: (item.rank, item.order))


def take(ref: str, thing: ImportedThing | None, choice: str, target: ImportTarget) -> ImportOutcome:
    """One thing leaves. Raises Invalid, Conflict: then it stays as it is."""
    if thing is None:
        raise Invalid("import.unknown", f"The source {target.source!r} never named {ref[:200]}.")
    if thing.gone_since is None:
        raise Conflict("import.still_named", f"{thing.ref} is still named by the source {thing.source!r}.")
    row = identity.row_of(thing.table, thing.key)
    if row is None or not identity.in_use(thing):
        return ImportOutcome("unchanged", thing.key, "", "It is retired already.")
    if choice == KEEP:
        thing.source, thing.gone_since = "", None
        thing.save(update_fields=["source", "gone_since"])
        return ImportOutcome(
            "changed", thing.key, "import.kept", "It belongs to no source any more, and is not listed."
        )
    if thing.table == "domain":
        raise Conflict("import.stays", f"The domain {thing.key} is not retired: domains stay. Keep it, or rename it.")
    if thing.table == "api":
        return _withdraw(row, target)
    uses = _USES[thing.table](row)
    if uses:
        raise Conflict("import.still_used", f"{thing.key} stays: {'; '.join(uses[:6])}. End that first.")
    row.retired_at = clock.now()
    row.save(update_fields=["retired_at"])
    audit.record(
        actor=target.actor,
        verb=f"catalog.{thing.table}_retired",
        subject_kind=thing.table,
        subject_id=thing.key,
        after={"retired_at": row.retired_at.isoformat(), "source": thing.source},
    )
    return ImportOutcome("changed", thing.key, "import.retired", f"{thing.source!r} names it no more.")


def _withdraw(api: Api, target: ImportTarget) -> ImportOutcome:
    """Drafts are withdrawn; where anything of an API is beyond a draft, all of it waits for a decision."""
    versions = list(ApiVersion.objects.select_for_update(of=("self",)).filter(api=api).order_by("position", "id"))
    beyond = [f"{v} is {v.state.replace('_', ' ')}" for v in versions if v.state in _BEYOND_DRAFT]
    if beyond:
        raise Conflict(
            "import.needs_decision",
            f"{'; '.join(beyond[:6])}. Deprecate it with a sunset on its page, and retire it then: consumers are told.",
        )
    for version in versions:
        if version.state != lifecycle.DRAFT:
            continue
        before = audit_snapshots.of_version(version)
        version.state = lifecycle.WITHDRAWN
        version.save(update_fields=["state"])
        reason = f"the source {target.source} names it no more"
        announcements.version_changed(
            version, "version_withdrawn", actor=target.actor, before=before, reason=reason, payload={}
        )
    search_index.refresh([api.pk])
    return ImportOutcome("changed", api.slug, "import.retired", "Its drafts are withdrawn for good.")


def _names(noun: str, found: Sequence[str]) -> list[str]:
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return [f"{counted(len(found), noun)} ({', '.join(found[:3])}{more})"] if found else []


def _apis_in_use(**of: Any) -> list[str]:
    in_use = ApiVersion.objects.exclude(state__in=lifecycle.ENDED).values("api")
    return list(Api.objects.filter(**of, pk__in=in_use).order_by("slug").values_list("slug", flat=True))


def _of_team(team: Team) -> list[str]:
    people = team.group.user_set.filter(is_active=True).count()
    systems = System.objects.filter(owner_team=team, retired_at=None).values_list("key", flat=True)
    applications = Application.objects.filter(team=team, retired_at=None).values_list("key", flat=True)
    domains = Domain.objects.filter(owner_team=team).values_list("key", flat=True)
    return [
        *_names("API", _apis_in_use(owner_team=team)),
        *_names("system", list(systems)),
        *_names("application", list(applications)),
        *_names("domain", list(domains)),
        *([f"{counted(people, 'person', 'people')} in it"] if people else []),
    ]


def _of_system(system: System) -> list[str]:
    return [
        *_names("API", _apis_in_use(system=system)),
        *_names("endpoint", list(system.endpoints.values_list("environment__key", flat=True))),
        *_names("boundary", [str(b) for b in system.boundaries.all()[:50]]),
        *_names("dependency", [str(d.api.slug) for d in system.dependents.select_related("api")[:50]]),
    ]


def _of_application(row: Application) -> list[str]:
    runs_with = sorted(governed_facts.runs_with(row.key))
    used = Subscription.objects.filter(application=row, state__in=["active", "requested"])
    rights = row.provider_rights.filter(ended_at=None).values_list("api__slug", flat=True)
    agent = ["it is an agent with an account"] if row.agent_account_id else []
    uses = [
        *_names("subscription", [str(s.version) for s in used.select_related("version__api")]),
        *_names("right to provide", list(rights)),
        *_names("API that runs with it", runs_with),
        *agent,
    ]
    if not uses:
        governed_facts.require_no_freeze(ownership.of_application(row, runs_with), ["retired_at"])
    return uses


_USES: Final[dict[str, Callable[[Any], list[str]]]] = {
    "team": _of_team,
    "system": _of_system,
    "application": _of_application,
}
