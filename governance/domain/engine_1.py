"""Engine 1 of the gate's judge: how verdicts that name it were made. Nothing here changes any more.

Stored verdicts reproduce byte for byte, sentences included (`tests/governance/verdicts_engine_1.json`). The evidence
that it reads is documented in docs/reference/gate-evidence.md; `governance.domain.verdict` has the present engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from governance.domain.evidence import MISSING, Evidence
from kernel.digest import digest_of, short

ENGINE = 1
SCHEMA = "tillgate.verdict/1"
Word = Literal["allow", "deny", "unknown"]
RELATIONS = ("none", "full", "backward", "forward", "breaking", "uncompared", "not_needed")


@dataclass(frozen=True, slots=True)
class _Reason:
    """One reason. `subject` is what it is about, `pointer` a JSON Pointer into the evidence, `fix` what would settle
    it.
    """

    code: str
    word: Literal["deny", "unknown"]
    subject: str
    pointer: str
    message: str
    fix: str
    report_only: bool = False
    waived_by: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "word": self.word,
            "subject": self.subject,
            "pointer": self.pointer,
            "message": self.message,
            "fix": self.fix,
            "report_only": self.report_only,
            "waived_by": self.waived_by,
        }


@dataclass(slots=True)
class _Case:
    """The reasons and warnings that the rules found so far."""

    as_of: datetime
    reasons: list[_Reason] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)

    def deny(self, code: str, subject: str, node: Evidence, message: str, fix: str) -> None:
        self.reasons.append(_Reason(code, "deny", subject, node.pointer, message, fix))

    def unknown(
        self, code: str, subject: str, node: Evidence, message: str, fix: str, *, report_only: bool = False
    ) -> None:
        self.reasons.append(_Reason(code, "unknown", subject, node.pointer, message, fix, report_only))

    def warn(self, code: str, subject: str, message: str) -> None:
        self.warnings.append({"code": code, "subject": subject, "message": message})


def judge(question: Mapping[str, Any], evidence: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict document of this engine."""
    missing: list[str] = []
    root = Evidence(evidence, missing)
    as_of = root.moment("as_of")
    case = _Case(as_of if as_of is not MISSING else datetime.min.replace(tzinfo=UTC))
    if as_of is not MISSING:
        _surroundings(case, root, question)
        _declared(case, question)
        _each(case, root, "consumed", question["consumes"], _consumed)
        _each(case, root, "provided", question["provides"], _provided)
        _each(case, root, "integrations", question["integrations"], _integration)
    waivers = _waive(case, root)
    for pointer in dict.fromkeys(missing):
        case.reasons.append(
            _Reason(
                "evidence.missing",
                "unknown",
                str(question["application"]),
                pointer,
                f"Nothing is known about {pointer}.",
                "Record it in the catalog, then ask again.",
            )
        )
    return _document(question, evidence, case, waivers)


def _document(
    question: Mapping[str, Any], evidence: Mapping[str, Any], case: _Case, waivers: list[dict[str, Any]]
) -> dict[str, Any]:
    reasons = sorted(set(case.reasons), key=lambda r: (r.word != "deny", r.code, r.subject, r.pointer, r.message))
    open_ones = [reason for reason in reasons if reason.waived_by is None]
    word: Word = "deny" if any(r.word == "deny" for r in open_ones) else "unknown" if open_ones else "allow"
    policy_digest = evidence.get("policy_digest")
    return {
        "schema": SCHEMA,
        "engine": ENGINE,
        "verdict": word,
        "enforcing": word != "unknown" or not all(reason.report_only for reason in open_ones),
        "application": question["application"],
        "version": question["version"],
        "environment": question["environment"],
        "instance": question["instance"],
        "as_of": evidence.get("as_of"),
        "reasons": [reason.as_json() for reason in reasons],
        "flip": list(dict.fromkeys(reason.fix for reason in open_ones)),
        "warnings": sorted(case.warnings, key=lambda w: (w["code"], w["subject"], w["message"])),
        "waivers": waivers,
        "policy_digest": policy_digest if isinstance(policy_digest, str) else None,
        "input_digest": digest_of({"question": question, "evidence": evidence}),
    }


def _surroundings(case: _Case, root: Evidence, question: Mapping[str, Any]) -> None:
    application = root.child("application")
    if application.text("key") not in (MISSING, question["application"]):
        application.unusable()
    application.text("owner_team")
    environment = root.child("environment")
    if environment.text("key") not in (MISSING, question["environment"]):
        environment.unusable()
    root.text("policy_digest")
    for identifier, freeze in root.members("freezes"):
        strictness, name, ends = (
            freeze.text("strictness", "notice", "changes", "work"),
            freeze.text("name"),
            freeze.moment("ends_at"),
        )
        if MISSING in (strictness, name, ends):
            continue
        if strictness == "notice":
            case.warn("freeze.notice", f"freeze {identifier}", f"{name} until {_day(ends)}.")
        else:
            case.deny(
                "freeze.active",
                f"freeze {identifier}",
                freeze,
                f"{name}: nothing goes live before {_day(ends)}.",
                f"Wait until {_day(ends)}.",
            )


def _declared(case: _Case, question: Mapping[str, Any]) -> None:
    node = Evidence(None, [], "/question")
    if question["consumes"] is None:
        case.unknown(
            "evidence.no_consumes",
            question["application"],
            node,
            "The question does not say what the application consumes.",
            "Send `consumes`, an empty list if it consumes nothing.",
        )
    if not any((question["consumes"], question["provides"], question["integrations"])):
        case.unknown(
            "evidence.nothing_declared",
            question["application"],
            node,
            "The application declares no consumed, provided or integrated thing: nothing was judged.",
            "Declare what it consumes, provides or integrates.",
        )


def _each(
    case: _Case,
    root: Evidence,
    key: str,
    asked: Sequence[Mapping[str, Any]] | None,
    rule: Callable[[_Case, Mapping[str, Any], Evidence], None],
) -> None:
    node = root.child(key)
    total, items = node.whole("total"), node.child("items")
    if (
        total is MISSING
        or not isinstance(items.value, Mapping)
        or len(items.value) != total
        or total != len(asked or ())
    ):
        items.unusable()
    for entry in asked or ():
        member = items.child(entry["ref"])
        if member.known:
            rule(case, entry, member)


def _lifecycle(case: _Case, reference: str, node: Evidence, *, provided: bool) -> bool:
    """State, dates and review of a consumed or provided API version. False: it is not in the catalog."""
    state = node.text("state")
    origin, judged, enforced = node.text("origin"), node.flag("judged"), node.moment("enforced_from", "now")
    if state == "unregistered":
        case.unknown(
            "version.unknown", reference, node, f"{reference} is not in the catalog.", f"Register {reference}."
        )
        return False
    node.text("owner_team")
    deprecated, sunset, successor = (
        node.moment("deprecated_at", "never"),
        node.moment("sunset_at", "never"),
        node.text("successor"),
    )
    if MISSING in (state, origin, judged, enforced, deprecated, sunset, successor):
        return True
    move = f"Move to {successor}." if successor != "none" else "Move to another API; no successor is named."
    if not judged:
        case.unknown(
            "version.unjudged",
            reference,
            node,
            f"{reference} was imported and nobody has judged it yet.",
            f"Open a change request that publishes {reference}.",
            report_only=isinstance(enforced, datetime) and case.as_of < enforced,
        )
    if state == "retired":
        case.deny("version.retired", reference, node, f"{reference} is retired.", move)
    elif state not in ("published", "deprecated") and not (provided and state == "approved"):
        case.deny(
            "version.not_published",
            reference,
            node,
            f"{reference} is {state}, not published.",
            f"Have {reference} approved and published.",
        )
    if isinstance(sunset, datetime) and case.as_of >= sunset and state != "retired":
        case.deny("version.past_sunset", reference, node, f"{reference} had its sunset on {_day(sunset)}.", move)
    elif state == "deprecated" or (isinstance(deprecated, datetime) and case.as_of >= deprecated):
        until = f" until {_day(sunset)}" if isinstance(sunset, datetime) else ""
        case.warn("version.deprecated", reference, f"{reference} is deprecated{until}. {move}")
    return True


def _consumed(case: _Case, asked: Mapping[str, Any], node: Evidence) -> None:
    reference = asked["ref"]
    if not _lifecycle(case, reference, node, provided=False):
        return
    _subscribed(case, reference, node)
    contract = node.text("contract", "unpinned", "same", "compatible", "breaking", "uncompared")
    if contract == "breaking":
        case.deny(
            "contract.breaking_for_consumer",
            reference,
            node,
            f"{reference} is no longer the contract this application was built against; the difference breaks it.",
            f"Build against the present contract of {reference}.",
        )
    elif contract == "uncompared":
        case.unknown(
            "contract.uncompared",
            reference,
            node,
            f"The contract that was built against cannot be compared with {reference}.",
            "Send a digest that the catalog knows.",
        )
    provider, relation = (node.text("provider", "running", "missing", "external"), node.text("relation", *RELATIONS))
    if provider == "missing" and relation in ("forward", "breaking"):
        case.deny(
            "order.producer_first",
            reference,
            node,
            f"Nobody provides {reference} in this environment yet, and older providers cannot serve it.",
            f"Release a provider of {reference} first.",
        )


def _subscribed(case: _Case, reference: str, node: Evidence) -> None:
    said = {
        "none": (
            "subscription.missing",
            f"There is no subscription to {reference} in this environment.",
            f"Subscribe to {reference}.",
        ),
        "pending": (
            "subscription.pending",
            f"The subscription to {reference} waits for its approval.",
            f"Have the subscription to {reference} approved.",
        ),
        "expired": (
            "subscription.expired",
            f"The subscription to {reference} has ended.",
            f"Renew the subscription to {reference}.",
        ),
    }
    subscription = node.text("subscription", "active", *said)
    if subscription not in (MISSING, "active"):
        code, message, fix = said[subscription]
        case.deny(code, reference, node, message, fix)


def _provided(case: _Case, asked: Mapping[str, Any], node: Evidence) -> None:
    reference = asked["ref"]
    if not _lifecycle(case, reference, node, provided=True):
        return
    relation = node.text("relation", *RELATIONS)
    for weaker in _list(node.texts("weaker_dependencies")):
        case.deny(
            "tier.dependency_weaker",
            reference,
            node,
            f"{reference} depends on {weaker}, which promises less.",
            f"Give {weaker} the same tier, or stop depending on it.",
        )
    for consumer, use in node.members("consumers"):
        _consumer(case, reference, consumer, use, relation)
    if relation == "uncompared":
        case.unknown(
            "contract.uncompared",
            reference,
            node,
            f"{reference} cannot be compared with what runs now.",
            f"Register a readable contract for {reference}.",
        )


def _consumer(case: _Case, reference: str, consumer: str, use: Evidence, relation: Any) -> None:
    verdict, ready = use.text("verdict", "same", "compatible", "breaking", "uncompared"), use.flag("ready")
    use.moment("last_seen", "never", "unreported")
    if verdict == "breaking":
        case.deny(
            "contract.breaking_for_consumer",
            reference,
            use,
            f"{consumer} uses what {reference} takes away or changes.",
            f"Move {consumer} first, or keep the old version beside it.",
        )
    elif verdict == "uncompared":
        case.unknown(
            "contract.uncompared",
            reference,
            use,
            f"Nobody can say whether {consumer} still works with {reference}.",
            f"Register the contract that {consumer} uses.",
        )
    if relation == "backward" and ready is False:
        case.deny(
            "order.consumers_first",
            reference,
            use,
            f"{reference} can only be read by upgraded consumers, and {consumer} is not upgraded.",
            f"Release {consumer} first.",
        )


def _integration(case: _Case, asked: Mapping[str, Any], node: Evidence) -> None:
    key = asked["ref"]
    node.text("owner_team")
    words = {
        "missing": f"Nobody has approved {key} at {short(asked['digest'])} here.",
        "stale_digest": f"The approval of {key} is for another digest than {short(asked['digest'])}.",
        "void": f"The approval of {key} is void.",
        "expired": f"The approval of {key} has ended.",
        "outside_window": f"The planned window of {key} is not open.",
        "lost_right": f"An approver of {key} may no longer fill the seat.",
        "check_blocking": f"The approval of {key} is there, but one of its checks blocks again.",
    }
    approval = node.text("approval", "valid", *words)
    if approval not in (MISSING, "valid"):
        fix = f"Have {key} at {short(asked['digest'])} approved for this environment."
        if approval == "check_blocking":
            fix = f"Settle the check of the change that approved {key}, or have its finding waived again."
        case.deny(f"approval.{approval}", key, node, words[approval], fix)
    for violation in _list(node.texts("sor_violations")):
        case.deny(
            "sor.violation",
            key,
            node,
            violation,
            f"Change the manifest of {key} so that it respects the systems of record.",
        )


def _list(found: Any) -> list[str]:
    return [] if found is MISSING else found


def _waive(case: _Case, root: Evidence) -> list[dict[str, Any]]:
    """Mark the deny reasons that a granted waiver in force names exactly. `unknown` is never waived."""
    listed = []
    for identifier, node in root.members("waivers"):
        rule, subject, reason = node.text("rule"), node.text("subject"), node.text("reason")
        starts, expires = node.moment("starts_at"), node.moment("expires_at")
        if MISSING in (rule, subject, reason, starts, expires) or not starts <= case.as_of < expires:
            continue
        hit = False
        for index, found in enumerate(case.reasons):
            if found.word == "deny" and found.code == rule and found.subject == subject and found.waived_by is None:
                case.reasons[index] = _Reason(
                    found.code,
                    found.word,
                    found.subject,
                    found.pointer,
                    found.message,
                    found.fix,
                    found.report_only,
                    int(identifier),
                )
                hit = True
        if hit:
            listed.append(
                {
                    "id": int(identifier),
                    "rule": rule,
                    "subject": subject,
                    "reason": reason,
                    "expires_at": expires.isoformat(),
                }
            )
    return listed


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
