"""What a viewer may see of decisions: a row about a thing is seen by those who see the thing.

Each room says which of its things a viewer sees. The rule is a part of the query, so that lists, counts and pages
agree, and what is hidden is told in the words of what does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import EmptyResultSet
from django.db.models import (
    BooleanField,
    CharField,
    Exists,
    F,
    Func,
    JSONField,
    OuterRef,
    Q,
    QuerySet,
    TextField,
    Value,
)
from django.db.models.expressions import RawSQL
from django.db.models.fields.json import ContainedBy, KeyTextTransform
from django.db.models.functions import Cast, Coalesce

from catalog import permissions as catalog_permissions
from catalog.selectors import consumers, dependencies, history, teams
from governance.domain import ledger_kinds, verdict_names
from governance.domain.subject import Subject
from governance.models import (
    ApplicationRelease,
    Approval,
    BreakGlass,
    ChangeRequest,
    ChangeSubject,
    Delegation,
    PipelineConnection,
    Slot,
    Verdict,
    Waiver,
)
from governance.selectors import webhooks
from kernel import clock
from kernel.errors import NotFound
from kernel.models import User
from kernel.viewer import Viewer

Keys = Callable[[Viewer], QuerySet[Any, Any]]


@dataclass(frozen=True, slots=True)
class SightRule:
    """The things of one kind that a viewer sees: a query of their keys. The key of an id is what stands between the
    first `starts_after` and `ends_with`, or all of it. With `hides` the keys are those that the viewer does not see."""

    keys: Keys
    ends_with: str = ""
    starts_after: str = ""
    hides: bool = False

    def key(self, identifier: str) -> Any:
        found: Any = F(identifier)
        for separator, place in ((self.starts_after, 2), (self.ends_with, 1)):
            if separator:
                found = Func(found, Value(separator), Value(place), function="split_part", output_field=CharField())
        return found


_rules: dict[str, SightRule] = {}
_ledger_rules: dict[str, tuple[SightRule, ...]] = {}


def register(subject_kind: str, keys: Keys, *, ends_with: str = "", hides: bool = False) -> None:
    """Make the things of a kind visible to some only. Registering the same kind again replaces it."""
    _rules[subject_kind] = SightRule(keys, ends_with, hides=hides)


def register_in_ledger(subject_kind: str, rule: SightRule) -> None:
    """Show the entries about a kind to those who see the thing: a kind that nothing but the ledger names."""
    _ledger_rules[subject_kind] = (rule,)


def seen(rows: Any, viewer: Viewer, *, kind: str = "subject_kind", key: str = "subject_id") -> Any:
    """The rows about things that the viewer may see; `kind` and `key` name the columns of the thing."""
    return _seen(rows, viewer, _alone(_rules), kind, key)


def _alone(rules: Mapping[str, SightRule]) -> dict[str, tuple[SightRule, ...]]:
    return {name: (rule,) for name, rule in rules.items()}


def _finished(rows: QuerySet[Any, Any]) -> Any:
    """The query as finished SQL, which stands in another as it is: else Django builds and renames the whole of it anew
    on every level around it, which took half the time of a page."""
    try:
        statement, parameters = rows.order_by().query.sql_with_params()
    except EmptyResultSet:
        return []
    return RawSQL(statement, parameters)  # noqa: S611  (written by the ORM, with parameters)


def _seen(rows: Any, viewer: Viewer, rules: Mapping[str, tuple[SightRule, ...]], kind: str, key: str) -> Any:
    """A row of a kind that has several rules obeys all of them."""
    if viewer.sees_everything:
        return rows
    hidden, keys_of_rows, finished = Q(), {}, dict[Keys, Any]()
    for name, several in rules.items():
        for n, rule in enumerate(several):
            if rule.keys not in finished:  # several kinds may share one query
                finished[rule.keys] = _finished(rule.keys(viewer))
            alias = f"sight_{name}_{n}"
            keys_of_rows[alias] = rule.key(key)
            named = Q(**{f"{alias}__in": finished[rule.keys]})
            hidden |= Q(**{kind: name}) & (named if rule.hides else ~named)
    rows = rows.alias(**keys_of_rows)
    return rows.exclude(hidden) if hidden else rows


def ruled_in_ledger() -> dict[str, tuple[SightRule, ...]]:
    """The kinds of the ledger that some see and others do not."""
    return {**_alone(_rules), **_alone(_DECISIONS), **_IN_LEDGER_ALONE, **_ledger_rules}


def ledger(rows: Any, viewer: Viewer) -> Any:
    """The entries of the audit ledger about things and decisions that the viewer may see. A kind that has no rule and
    is not said to be open is seen by those alone who see everything."""
    if viewer.sees_everything:
        return rows
    rules = ruled_in_ledger()
    told = rows.filter(subject_kind__in=[*rules, *ledger_kinds.OPEN])
    told = history.without_hidden_names(told, viewer)
    return _seen(told, viewer, rules, "subject_kind", "subject_id")


def of_changes(viewer: Viewer) -> QuerySet[ChangeRequest]:
    """The changes that the viewer may see: those whose every subject they see, with the API of the successor that the
    change names, and those in which they have a part: author, submitter, contributor, owner team, or one of those who
    decide.
    """
    rows = ChangeRequest.objects.all()
    if viewer.sees_everything:
        return rows
    if viewer.user is None:
        return rows.none()
    rules = _alone({**_rules, "waiver": _DECISIONS["waiver"]})
    visible = _seen(ChangeSubject.objects.all(), viewer, rules, "kind", "subject_id")
    hidden = ChangeSubject.objects.filter(change=OuterRef("pk")).exclude(pk__in=_finished(visible.values("pk")))
    mine = ChangeRequest.objects.filter(_part(viewer)).values("pk")
    # A successor that does not exist hides the change as well: else the difference would tell which of both it is.
    told = Q(successor_api="") | Q(successor_api__in=_finished(_slugs(viewer)))
    return rows.alias(successor_api=_successor_api()).filter(Q(pk__in=_finished(mine)) | ~Exists(hidden) & told)


def _part(viewer: Viewer) -> Q:
    now, slots = clock.now(), Slot.objects.filter(change=OuterRef("pk"))
    delegated = Delegation.objects.filter(delegate=viewer.user, revoked_at=None, starts_at__lte=now, ends_at__gt=now)
    return (
        Q(author=viewer.user)
        | Q(submitter=viewer.user)
        | Q(owner_team_ids__overlap=sorted(viewer.team_ids))
        | Q(contributors__person=viewer.user)
        | Q(Exists(slots.filter(group_ids__overlap=sorted(viewer.team_ids))))
        | Q(Exists(slots.filter(group_ids__overlap=delegated.values_list("group_id"))))
    )


def takes_part(viewer: Viewer, change_id: int) -> bool:
    """Whether the viewer has a part in the change (`of_changes`), and not merely reads it."""
    if viewer.sees_everything:
        return True
    return viewer.user is not None and ChangeRequest.objects.filter(_part(viewer), pk=change_id).exists()


def _successor_api() -> Func:
    """The API of the successor that a change names; "" where it names none."""
    named = Coalesce(KeyTextTransform("successor", "parameters"), Value(""))
    return Func(named, Value("@"), Value(1), function="split_part", output_field=CharField())


def change(viewer: Viewer, change_id: int) -> ChangeRequest:
    """The change, or NotFound `change.unknown`: the same words for one that is not there and one that is hidden."""
    found = of_changes(viewer).select_related("author", "submitter").filter(pk=change_id).first()
    if found is None:
        raise NotFound("change.unknown", f"There is no change {change_id}.")
    return found


def reads_of(viewer: Viewer, subject: Subject, environment: str = "") -> bool:
    """Whether the viewer reads a change about exactly this, such as one whom it waits for, and who may not see the
    thing itself."""
    if "\x00" in subject.id + subject.digest:
        return False
    about = ChangeSubject.objects.filter(kind=subject.kind, subject_id=subject.id, digest=subject.digest)
    rows = of_changes(viewer).filter(pk__in=about.values("change"))
    return bool((rows.filter(environment=environment) if environment else rows).exists())


def waivers(viewer: Viewer) -> Any:
    """Those about things that the viewer sees, their own, and all for the teams that may revoke them."""
    if viewer.sees_everything:
        return Waiver.objects.all()
    visible = seen(Waiver.objects.all(), viewer)
    part = Q(requested_by=viewer.user) | _in_role_team(viewer, "architects", "security", "release-managers")
    return Waiver.objects.filter(Q(pk__in=_finished(visible.values("pk"))) | part)


def emergencies(viewer: Viewer) -> Any:
    """Break-glass cases: those about things that the viewer sees, those of their teams, those in which they had a
    part, and all for the teams that may confirm them.
    """
    if viewer.sees_everything:
        return BreakGlass.objects.all()
    visible = seen(BreakGlass.objects.all(), viewer)
    part = Q(opened_by=viewer.user) | Q(confirmed_by=viewer.user) | Q(owner_team_ids__overlap=sorted(viewer.team_ids))
    part |= _in_role_team(viewer, "architects", "release-managers")
    return BreakGlass.objects.filter(Q(pk__in=_finished(visible.values("pk"))) | part)


def approvals(viewer: Viewer) -> Any:
    """Those about things that the viewer sees, and those of changes and cases that the viewer sees."""
    if viewer.sees_everything:
        return Approval.objects.all()
    rules = _alone({**_rules, "waiver": _DECISIONS["waiver"]})
    visible = _seen(Approval.objects.all(), viewer, rules, "subject_kind", "subject_id")
    decided = Q(change__in=of_changes(viewer)) | Q(break_glass__in=emergencies(viewer))
    return Approval.objects.filter(Q(pk__in=_finished(visible.values("pk"))) | decided)


def verdicts(viewer: Viewer) -> Any:
    """Answers of the gate: those that the viewer asked for, and, where they see everything that the answer names,
    those about applications of their teams, and all for the role teams that watch over releases.
    """
    if viewer.sees_everything:
        return Verdict.objects.all()
    mine = consumers.applications_of(viewer)
    watching = _in_role_team(viewer, "architects", "security", "release-managers")
    open_to_them = (Q(application__in=mine) | watching) & _names_nothing_hidden(viewer)  # the cheap part first
    return Verdict.objects.filter(Q(asked_by=viewer.user) | open_to_them)


def told_to_team(verdict_id: int, team_id: int) -> bool:
    """Whether everybody in this team may see what the verdict names."""
    anybody = Viewer(user=AnonymousUser(), team_ids=frozenset({team_id}))
    return bool(Verdict.objects.filter(_names_nothing_hidden(anybody), pk=verdict_id).exists())


def _names_nothing_hidden(viewer: Viewer) -> Q:
    """A part of a query of verdicts: the viewer sees every API and integration that it names. Of a verdict that does
    not say which APIs those are, every word counts as one."""
    text = Func(OuterRef("evidence"), OuterRef("question"), function="concat", output_field=TextField())
    words = Func(
        text,
        Value(verdict_names.ANY_WORD),
        function="regexp_split_to_array",
        output_field=ArrayField(CharField(max_length=100)),
    )
    named = Func(
        F("slug"),
        Coalesce(OuterRef("names"), words),
        template="%(expressions)s)",
        arg_joiner=" = any(",
        output_field=BooleanField(),
    )
    told = ~Q(Exists(catalog_permissions.hidden(viewer).filter(named)))
    return _brings_nothing_hidden(viewer) & told


def _brings_nothing_hidden(viewer: Viewer) -> Q:
    rule = _rules.get("integration")
    if rule is None:
        return Q()
    path = "jsonb_path_query_array(%(expressions)s, '$.integrations[*].ref')"
    brought = Func(F("question"), template=path, output_field=JSONField())
    seen_by_them = Func(ArraySubquery(rule.keys(viewer)), function="to_jsonb", output_field=JSONField())
    return Q(ContainedBy(brought, seen_by_them))


def records(viewer: Viewer) -> Any:
    """Records of what runs, of the applications of the viewer's teams; all for the role teams that watch releases."""
    if viewer.sees_everything:
        return ApplicationRelease.objects.all()
    mine = consumers.applications_of(viewer)
    watching = _in_role_team(viewer, "architects", "security", "release-managers")
    return ApplicationRelease.objects.filter(Q(application__in=mine) | watching)


def pipelines(viewer: Viewer) -> QuerySet[PipelineConnection]:
    """Pipeline connections of the viewer's teams; all for the role teams that watch releases."""
    rows = PipelineConnection.objects.all()
    if viewer.sees_everything:
        return rows
    watching = _in_role_team(viewer, "architects", "security", "release-managers")
    return rows.filter(Q(owner_team__in=sorted(viewer.team_ids)) | watching)


def _in_role_team(viewer: Viewer, *keys: str) -> Q:
    """A part of a query: the viewer is in one of these role teams."""
    return Q(Exists(teams.among(viewer, keys)))


def sees(viewer: Viewer, subject_kind: str, identifier: str) -> bool:
    """Whether the viewer may see this thing; a thing of a kind that has no rule is seen by everybody."""
    rule = _rules.get(subject_kind)
    if rule is None or rule.hides or viewer.sees_everything:  # of what `hides`, changes about it are not told
        return True
    key = identifier.partition(rule.ends_with)[0] if rule.ends_with else identifier
    return "\x00" not in key and key in set(map(str, rule.keys(viewer)))


def unseen(viewer: Viewer, subject_kind: str, identifiers: Iterable[str]) -> set[str]:
    """Those of these things that the viewer may not see, in one query."""
    rule, asked = _rules.get(subject_kind), {one for one in identifiers if "\x00" not in one}
    if rule is None or rule.hides or viewer.sees_everything or not asked:
        return set()
    visible = set(map(str, rule.keys(viewer)))
    return {one for one in asked if (one.partition(rule.ends_with)[0] if rule.ends_with else one) not in visible}


def _slugs(viewer: Viewer) -> QuerySet[Any, Any]:
    return catalog_permissions.visible(viewer).values_list("slug", flat=True)


def _numbers(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    return rows.annotate(number=Cast("pk", CharField())).values_list("number", flat=True)


register("api", _slugs)
register("version", _slugs, ends_with="@")
_DECISIONS: Mapping[str, SightRule] = {
    "waiver": SightRule(lambda viewer: _numbers(waivers(viewer))),
    "break_glass": SightRule(lambda viewer: _numbers(emergencies(viewer))),
    "change": SightRule(lambda viewer: _numbers(of_changes(viewer))),
    "approval": SightRule(lambda viewer: _numbers(approvals(viewer))),
    "pipeline_connection": SightRule(lambda viewer: pipelines(viewer).values_list("key", flat=True)),
}
_IN_LEDGER_ALONE: Mapping[str, tuple[SightRule, ...]] = {
    "sign_in": (SightRule(lambda viewer: _numbers(User.objects.filter(pk=viewer.id or 0))),),
    "second_factor": (SightRule(lambda viewer: _numbers(User.objects.filter(pk=viewer.id or 0))),),
    "webhook": (SightRule(lambda viewer: _numbers(webhooks.receivers(viewer).order_by())),),
    "api_entities": (SightRule(_slugs),),
    # What blueprints name by several keys:
    "version_endpoint": (SightRule(_slugs, ends_with="@"),),  # price-api@v2/production
    "subscription": (SightRule(_slugs, starts_after=" ", ends_with="@"),),  # till price-api@v2 production
    "provider_right": (SightRule(_slugs, starts_after=" "),),  # till price-api
    "dependency": (SightRule(_slugs, ends_with=" on "), SightRule(dependencies.names_to_tell, starts_after=" on ")),
}
