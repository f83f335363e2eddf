"""Drift reports: where recorded traffic and the contract of a version differ, as an observer hands it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from catalog import permissions
from catalog.domain.contract_engine import DRIFT_KINDS, Document, is_call, is_list_value, is_name
from catalog.models import ApiVersion, DriftReport, Environment
from catalog.selectors import contracts
from catalog.services.findings import Findings
from kernel import audit, clock, moments
from kernel.digest import digest_of
from kernel.errors import Conflict, Forbidden
from kernel.models import User
from kernel.ui.wording import counted
from kernel.viewer import Viewer

MOST_DIFFERENCES = 500
KEPT_OF_A_VERSION = 50
_COUNTS = ("exchanges", "skipped", "operations_known", "operations_seen", "left_out")
#: Counts that reports of earlier observers do not have.
_LATER = ("bodies", "unread_bodies")
_MOST = 2**31 - 1
_TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
_NAMING = frozenset({"undeclared-member", "parameter-undeclared"})


@dataclass(frozen=True, slots=True)
class DriftReceipt:
    """`repeated`: this report was taken in before. `dropped`: names and values that may be data about somebody and
    were not kept."""

    report: DriftReport
    repeated: bool
    dropped: int


def record(
    *, actor: User, version_id: int, environment: str, report_id: str, report: Mapping[str, Any]
) -> DriftReceipt:
    """Take in what `tillgate contracts observe --format json` wrote about a version. The newest KEPT_OF_A_VERSION
    reports of a version stay, and the newest of each environment.

    The same `report_id` with the same report is answered again; with another one it is a Conflict
    `drift.report_reused`. Raises Forbidden `drift.not_yours` for who may not change the API, Conflict
    `drift.other_contract` where another contract was observed, Invalid `drift.invalid` with findings.
    """
    body = digest_of({"environment": environment, "report": report})
    with transaction.atomic():
        version = ApiVersion.objects.select_for_update().select_related("api").get(pk=version_id)
        if not (may := permissions.may_change_api(Viewer.of(actor), version.api)):
            raise Forbidden("drift.not_yours", f"Only who may change the API hands in what was observed. {may.reason}")
        known = DriftReport.objects.filter(version=version, report_id=report_id).first()
        if known is not None:
            if known.body_digest != body:
                raise Conflict(
                    "drift.report_reused", f"The report {report_id!r} was handed in before with other content."
                )
            return DriftReceipt(known, True, 0)
        if version.contract_id is None or report.get("contract") != version.contract_id:
            raise Conflict(
                "drift.other_contract",
                "The report is about another contract than that of the version. Observe with the present one.",
            )
        reading = _Reading(report, contracts.document(version.contract_id), report_id)
        place = reading.found.row_by_key(Environment, environment, "/environment", noun="environment")
        values = reading.values()
        if place is None and not reading.found.has("/environment"):
            reading.found.add("/environment", "Name the environment that was observed.")
        reading.found.require_none("drift.invalid", "The report cannot be read. Nothing was kept.")
        made = DriftReport.objects.create(
            version=version,
            environment_id=place.pk if place else 0,
            contract_id=version.contract_id,
            report_id=report_id,
            body_digest=body,
            recorded_by=actor,
            **values,
        )
        _forget_old(version)
        audit.record(
            actor=actor,
            verb="catalog.drift_observed",
            subject_kind="version",
            subject_id=f"{version.api.slug}@{version.label}",
            after={
                "report": report_id,
                "environment": environment,
                "differences": len(values["differences"]),
                "digest": body,
            },
        )
    return DriftReceipt(made, False, reading.dropped)


def _forget_old(version: ApiVersion) -> None:
    """Beyond KEPT_OF_A_VERSION the oldest go, but for the newest of each environment."""
    rows = DriftReport.objects.filter(version=version)
    newest = rows.order_by("environment_id", "-observed_until", "-id").distinct("environment_id")
    speaking = {one.pk for one in newest}
    stale = rows.order_by("-observed_until", "-id").values_list("pk", flat=True)[KEPT_OF_A_VERSION:]
    DriftReport.objects.filter(pk__in=set(stale) - speaking).delete()


class _Reading:
    """One report as it is stored: what could be data about somebody is left out, whatever the observer kept."""

    def __init__(self, report: Mapping[str, Any], document: Document, report_id: str) -> None:
        self.report = report
        self.found = Findings()
        self.dropped = 0
        self._members = frozenset(document.fields)
        self._operations = frozenset(f"{one.method} {one.path}" for one in document.operations) | frozenset(
            name for one in document.operations for name in one.messages
        )
        if not isinstance(report_id, str) or not 1 <= len(report_id) <= 100 or "\x00" in report_id:
            self.found.add("/report_id", "Give a text of 1 to 100 characters that no earlier report has used.")

    def values(self) -> dict[str, Any]:
        made: dict[str, Any] = {name: self._count(self.report.get(name), f"/report/{name}") for name in _COUNTS}
        for name in _LATER:
            given = self.report.get(name)
            made[name] = None if given is None else self._count(given, f"/report/{name}")
        made["source"] = self.found.choice(
            self.report.get("source"), DriftReport.Source.choices, "/report/source", noun="source"
        )
        if not made["source"]:
            self.found.add("/report/source", "Say where it was observed: har, jsonl or runtime.")
        first, last = (self._moment(self.report.get(name), f"/report/{name}") for name in _MOMENTS)
        if first and last and not first <= last <= clock.now() + timedelta(hours=1):
            self.found.add("/report/observed_until", "Give a time that is not before its beginning, and not to come.")
        made |= {"observed_from": first, "observed_until": last}
        listed = self.report.get("differences")
        if not isinstance(listed, list) or len(listed) > MOST_DIFFERENCES:
            self.found.add("/report/differences", f"Give a list of at most {counted(MOST_DIFFERENCES, 'difference')}.")
            listed = []
        made["differences"] = [
            one
            for number, given in enumerate(listed)
            if (one := self._difference(given, f"/report/differences/{number}"))
        ]
        return made

    def _difference(self, given: Any, at: str) -> dict[str, Any] | None:
        if not isinstance(given, dict) or given.get("kind") not in DRIFT_KINDS:
            self.found.add(at, f"Give an object with a kind of difference: {', '.join(DRIFT_KINDS)}.")
            return None
        kind = str(given["kind"])
        operation, place, side, declared = (
            self._text(given.get(name, ""), f"{at}/{name}") for name in ("operation", "place", "side", "declared")
        )
        what = given.get("what", [])
        if not isinstance(what, list) or len(what) > 100 or not all(isinstance(one, str) for one in what):
            self.found.add(f"{at}/what", "Give a list of at most 100 texts.")
            what = []
        kept = [one for one in what if len(one) <= 300 and self._is_kept(kind, one)]
        self.dropped += len(what) - len(kept)
        return {
            "kind": kind,
            "operation": operation if operation in self._operations or is_name(operation) else "",
            "side": side if side == "request" or _is_answer(side) else "",
            "place": self._place(place),
            "what": kept,
            "declared": ", ".join(one for one in declared.split(", ") if one in _TYPES),
            **{name: self._count(given.get(name), f"{at}/{name}") for name in ("count", "seen", "refused")},
            "unnamed": self._count(given.get("unnamed", 0), f"{at}/unnamed") + len(what) - len(kept),
        }

    def _is_kept(self, kind: str, text: str) -> bool:
        if kind in _NAMING:
            return is_name(text)
        if kind == "wrong-type":
            return text in _TYPES
        if kind == "missing-member":
            return text in self._members or is_name(text)
        if kind == "status-undeclared":
            return text.isdecimal() and len(text) == 3
        if kind == "operation-uncalled":
            return text in self._operations
        if kind == "operation-undeclared":
            return is_call(text)
        return kind.startswith("enum-value") and (is_list_value(text) or text in ("null", "true", "false"))

    def _place(self, place: str) -> str:
        """The place, with parts that the contract does not name and that no programmer wrote as `*`."""
        parts = []
        for part in place.split(".") if place else []:
            name = part.replace("[]", "")
            known = name == "*" or not name or name in self._members or is_name(name)
            self.dropped += not known
            parts.append(part if known else "*")
        return ".".join(parts)

    def _text(self, value: Any, at: str) -> str:
        if not isinstance(value, str) or len(value) > 300 or "\x00" in value:
            self.found.add(at, "Give a text of at most 300 characters.")
            return ""
        return value

    def _count(self, value: Any, at: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
            self.found.add(at, "Give a whole number that is not negative.")
            return 0
        return value

    def _moment(self, value: Any, at: str) -> datetime | None:
        moment = moments.read(value) if isinstance(value, str) else None
        if moment is None:
            self.found.add(at, f"{moments.WITH_ZONE} Traffic without times says nothing of when it was seen.")
            return None
        return moment


_MOMENTS = ("observed_from", "observed_until")


def _is_answer(side: str) -> bool:
    word, _, status = side.partition(" ")
    return word == "response" and len(status) == 3 and status.isascii() and status.isdecimal()
