"""The change page: five tabs, each with its own address."""

from __future__ import annotations

import json
from typing import Any

import yaml
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from catalog.selectors import teams
from governance.domain import kinds, text_diff
from governance.domain.acceptance import ACCEPTANCE_KINDS
from governance.domain.subject import Subject
from governance.models import BreakAcceptance, ChangeRequest, CheckResult
from governance.selectors import rights, told_changes, told_slots
from governance.selectors.told_changes import ToldImpact
from governance.services import policies
from governance.web import change_layout, policy_words, timeline, told_differences, tones
from kernel import audit
from kernel.errors import DomainError
from kernel.viewer import Viewer

READINGS = (("words", "In words"), ("tree", "As a tree"), ("text", "As text"))
PER_PAGE = 100
COMPARISON_CHECK = "contract.comparison"
YAML_LIMIT = 300_000


@require_safe
def conversation(request: HttpRequest, change_id: int) -> HttpResponse:
    context = change_layout.context(request, change_id, "conversation")
    change: ChangeRequest = context["change"]
    context |= {
        "entries": timeline.entries(change),
        "breaking": told_differences.told(
            change, [f for f in _findings(change) if f["level"] == "breaking"], context["reached"]
        )[:5],
        "diff_counts": _counts(change),
        "checks": _checks(change, context["results"]),
    }
    return render(request, "governance/change.html", context)


@require_safe
def differences(request: HttpRequest, change_id: int) -> HttpResponse:
    context = change_layout.context(request, change_id, "differences")
    change: ChangeRequest = context["change"]
    reading = request.GET.get("reading", "words")
    show = request.GET.get("show", "")
    chosen = [f for f in _findings(change) if not show or f["level"] == show]
    told = told_differences.told(change, chosen, context["reached"])
    page = Paginator(told, PER_PAGE).get_page(request.GET.get("page"))
    context |= {
        "reading": reading if reading in dict(READINGS) else "words",
        "readings": [
            {"label": label, "url": _query(request, reading=key), "current": key == reading} for key, label in READINGS
        ],
        "shows": _shows(request, change, show),
        "page": page,
        "findings": page.object_list,
        "diff_counts": _counts(change),
        "how": "; ".join(dict.fromkeys(part["how"] for part in (change.difference or {}).get("parts", []))),
        "base_digest": (change.facts or {}).get("base_digest"),
    }
    if context["reading"] == "tree":
        context["tree"] = _tree(chosen)
    elif context["reading"] == "text":
        layout = "sides" if request.GET.get("layout") == "sides" else "unified"
        context |= {"texts": _texts(change, layout), "layout": layout}
        context["layouts"] = [
            {"label": label, "url": _query(request, layout=key), "current": key == layout}
            for key, label in (("unified", "Unified"), ("sides", "Side by side"))
        ]
    return render(request, "governance/differences.html", context)


@require_safe
def checks(request: HttpRequest, change_id: int) -> HttpResponse:
    context = change_layout.context(request, change_id, "checks")
    return render(request, "governance/checks.html", context | _checks_context(context["change"], context["results"]))


@require_safe
def checks_fragment(request: HttpRequest, change_id: int) -> HttpResponse:
    """The list with its progress, polled until the run is done."""
    context = change_layout.context(request, change_id, "checks")
    return render(request, "governance/_checks.html", context | _checks_context(context["change"], context["results"]))


@require_safe
def impact(request: HttpRequest, change_id: int) -> HttpResponse:
    context = change_layout.context(request, change_id, "impact")
    change: ChangeRequest = context["change"]
    return render(request, "governance/impact.html", context | _consumers(change, context["reached"]))


@require_safe
def evidence(request: HttpRequest, change_id: int) -> HttpResponse:
    context = change_layout.context(request, change_id, "evidence")
    change: ChangeRequest = context["change"]
    entries = list(audit.entries_for("change", change.pk))
    context |= {
        "approvals": list(change.approvals.all()),
        "decisions": [
            {"decision": d, "tone": tones.OUTCOMES[d.outcome], "void": d.voided_at is not None}
            for d in change.decisions.select_related("person").order_by("id")
        ],
        "policies": change.policy_levels,
        "entries": entries,
        "acceptances": list(change.acceptances.select_related("person")),
        "explanation": (explanation := _explanation(change)),
        "explained_rules": policy_words.rules(
            told_slots.rules(explanation.rules if explanation else (), change, Viewer.of(request.user)), {}
        ),
    }
    return render(request, "governance/evidence.html", context)


def _explanation(change: ChangeRequest) -> Any:
    try:
        return policies.explain(change)
    except DomainError:
        return None


# -- differences -----------------------------------------------------------------------------------------------------
def _findings(change: ChangeRequest) -> list[dict[str, Any]]:
    order = {"breaking": 0, "attention": 1, "compatible": 2}
    parts = (change.difference or {}).get("parts", [])
    found = [f | {"anchor": f"d{n}"} for n, f in enumerate((f for part in parts for f in part["findings"]), start=1)]
    return sorted(found, key=lambda f: order.get(f["level"], 3))


def _counts(change: ChangeRequest) -> list[Any]:
    counted = (change.difference or {}).get("counts", {})
    words = (("breaking", "breaking"), ("attention", "to review"), ("compatible", "compatible"))
    made = []
    for key, word in words:
        number = counted.get(key, 0)
        base = tones.FINDINGS[key]
        if number is None:
            made.append(type(base)("wait", f"unknown how many {word}", "alert"))
        elif number:
            made.append(type(base)(base.tone, f"{number} {word}", base.icon))
    return made


def _shows(request: HttpRequest, change: ChangeRequest, show: str) -> list[dict[str, Any]]:
    counted = (change.difference or {}).get("counts", {})
    total = sum(v or 0 for v in counted.values())
    words = (
        ("", "All", total),
        *(
            (key, label, counted.get(key))
            for key, label in (("breaking", "Breaking"), ("attention", "Review"), ("compatible", "Compatible"))
        ),
    )
    return [
        {
            "label": f"{label} {'unknown' if number is None else number}",
            "url": _query(request, show=key, page=""),
            "current": key == show,
        }
        for key, label, number in words
    ]


def _query(request: HttpRequest, **values: str) -> str:
    query = request.GET.copy()
    for key, value in values.items():
        if value:
            query[key] = value
        else:
            query.pop(key, None)
    return f"?{query.urlencode()}" if query else "?"


def _tree(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Findings by component: schemas first, then operations, then the rest, each with the operations that use it."""
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {"Schemas": {}, "Operations": {}, "Document": {}}
    for one in found[:1000]:
        parts = str(one.get("pointer", "")).split("/")
        if len(parts) > 3 and parts[1:3] == ["components", "schemas"]:
            groups["Schemas"].setdefault(_unescape(parts[3]), []).append(one)
        elif one.get("operations"):
            groups["Operations"].setdefault(str(one["operations"][0]), []).append(one)
        else:
            groups["Document"].setdefault("/" + "/".join(parts[1:3]) if len(parts) > 1 else "the document", []).append(
                one
            )
    return [
        {"title": title, "components": [_component(name, items) for name, items in sorted(inner.items())]}
        for title, inner in groups.items()
        if inner
    ]


def _component(name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    breaking = sum(1 for i in items if i["level"] == "breaking")
    uses = list(dict.fromkeys(str(o) for i in items for o in i.get("operations") or []))
    return {
        "name": name,
        "breaking": breaking,
        "open": breaking > 0,
        "uses": ", ".join(uses[:2]) + (f", {len(uses) - 2} more" if len(uses) > 2 else ""),
        "leaves": [{"tone": tones.FINDINGS.get(i["level"]), "say": i["message"], "anchor": i["anchor"]} for i in items],
    }


def _unescape(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def _texts(change: ChangeRequest, layout: str) -> list[dict[str, Any]]:
    """Old and new document of each subject as text; what is too long says so and stays to be read elsewhere."""
    kind = kinds.kind(change.kind)
    made: list[dict[str, Any]] = []
    for row in change.subjects.all():
        subject = Subject(row.kind, row.subject_id, row.digest)
        facts = kind.proposed(subject, change.parameters, change.environment)
        if facts is None or facts.new is None:
            made.append({"title": row.subject_id, "problem": "The document is not available any more."})
            continue
        old, new = ("" if facts.old is None else _as_text(facts.old)), _as_text(facts.new)
        try:
            rows: Any = text_diff.sides(old, new) if layout == "sides" else text_diff.unified(old, new)
        except ValueError:
            made.append(
                {
                    "title": row.subject_id,
                    "problem": "The documents are too long to be shown as text here. "
                    "The words and the tree show every difference.",
                }
            )
            continue
        made.append({"title": row.subject_id, "rows": rows[:4000], "cut": len(rows) > 4000})
    return made


def _as_text(value: Any) -> str:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    if len(text) > YAML_LIMIT:
        return text
    dumped: str = yaml.dump(
        json.loads(text),
        Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper),
        sort_keys=True,
        allow_unicode=True,
        width=120,
    )
    return dumped


# -- checks and impact -----------------------------------------------------------------------------------------------
def _checks_context(change: ChangeRequest, results: list[CheckResult]) -> dict[str, Any]:
    ways = [(key, label, ACCEPTANCE_KINDS[key]) for key, label in BreakAcceptance.Kind.choices]
    return {"checks": _checks(change, results), "acceptance_ways": ways}


def _checks(change: ChangeRequest, results: list[CheckResult]) -> list[dict[str, Any]]:
    """Failed first, then not run; each with its findings and whether they are settled."""
    blocking = dict(rights.blocking_checks(change.pk))
    subjects = list(change.subjects.all())
    only = f"{subjects[0].kind} {subjects[0].subject_id}" if len(subjects) == 1 else ""
    digests = {f"{one.kind} {one.subject_id}": one.digest for one in subjects}
    live = change.acceptances.filter(voided_at=None, revision=change.revision)
    accepted = {(a.rule, a.pointer, a.about or only): a for a in live}
    order = {"failed": 0, "not_run": 1, "passed": 2, "not_applicable": 3}
    made = []
    for row in sorted(results, key=lambda r: (order[r.status], r.position)):
        findings = [
            {
                **f,
                "about": (about := only or str(f.get("subject", ""))),
                "about_kind": about.partition(" ")[0],
                "about_id": about.partition(" ")[2],
                "about_digest": digests.get(about, ""),
                "of_several": not only,
                "accepted": accepted.get((f.get("rule"), f.get("pointer", ""), about)),
                "open": f.get("level") == "error" and row.status == "failed",
                "all_url": _every_place(f, about, change),
            }
            for f in row.findings[:200]
        ]
        made.append(
            {
                "tone": tones.CHECKS[row.status],
                "title": row.title,
                "why": row.why,
                "rule": row.check_id,
                "findings": findings,
                "groups": _check_groups(row.check_id, findings),
                "grouped": row.check_id == COMPARISON_CHECK,
                "more": max(0, len(row.findings) - 200),
                "fix": row.fix,
                "blocks": row.check_id in blocking,
                "settled": row.status == "failed" and row.check_id not in blocking,
                "open": row.status == "failed",
            }
        )
    return made


def _check_groups(check_id: str, findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The findings of a check as people read them: differences of one schema and rule together, blocking ones first."""
    for number, found in enumerate(findings):
        found |= {"ident": f"{check_id}-{number}", "alone": [found]}
    if check_id != COMPARISON_CHECK:
        return [{"say": "", "findings": [found]} for found in findings]
    parts: dict[str, list[dict[str, Any]]] = {}
    for found in findings:
        parts.setdefault(f"{found['about']} {found['level']}", []).append(found)
    made = []
    for several in parts.values():
        for one in told_differences.grouped(several, prefix="contract."):
            inner = [several[number] for number in one.indexes]
            tone = tones.FINDINGS["breaking" if inner[0].get("breaking") else "attention"]
            if one.count == 1:
                inner[0]["tone"] = tone
            waiting = [f for f in inner if f["open"] and f.get("breaking") and not f["accepted"]]
            made.append(
                {
                    "say": one.message if one.count > 1 else "",
                    "hint": one.hint,
                    "operations": one.operations,
                    "findings": inner,
                    "waiting": waiting if one.count > 1 else [],
                    "accept_label": f"Accept {'all' if len(waiting) == one.count else 'the other'} {len(waiting)}",
                    "ident": f"group-{inner[0]['ident']}",
                    "about": inner[0]["about"],
                    "tone": tone,
                }
            )
    return made


def _every_place(finding: dict[str, Any], about: str, change: ChangeRequest) -> str:
    """The page with every place of a contract rule that is one finding, or ""."""
    slug, _, label = about.partition(" ")[2].partition("@")
    if not finding.get("places") or not label:
        return ""
    query = {"rule": str(finding["rule"]).removeprefix("lint.")}
    query |= {"contract": "proposed"} if change.kind == "contract.change" and change.applied_at is None else {}
    try:
        return f"{reverse('catalog:lint', args=[slug, label])}?{urlencode(query)}"
    except NoReverseMatch:
        return ""


def _consumers(change: ChangeRequest, reached: ToldImpact | None) -> dict[str, Any]:
    """The affected consumers that the viewer may see, with what the owning room knows about them now, and how many
    there are besides."""
    if reached is None:
        return {"consumers": None, "hidden_consumers": 0, "uses": 0, "reads_alone": False}
    known = reached.consumers or told_changes.known_consumers(change)
    teams_by_key = {team.key: team.name for team in teams.all_teams()}
    rows = []
    for row in reached.rows:
        consumer = known.get((row["application"], row["environment"]))
        owner = teams_by_key.get(consumer.team_key, consumer.team_key) if consumer else ""
        rows.append({"row": row, "consumer": consumer, "owner": owner})
    return {
        "consumers": rows,
        "hidden_consumers": reached.hidden,
        "uses": reached.number,
        "reads_alone": reached.partial,
    }
