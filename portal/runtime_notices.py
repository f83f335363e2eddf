"""Notices to people about the runtime: a release went live, a run failed, a source is not read, a connection is at
fault, no worker works, a process stood still.

Idempotent outbox handlers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from catalog.selectors import systems
from governance.domain import kinds
from governance.domain.subject import Subject
from governance.services import approvals, notices
from kernel.models import User
from kernel.ui.wording import counted
from runtime.domain import connection_faults
from runtime.selectors import connection_faults as connection_fault_rows

Event = Mapping[str, Any]


def on_deployed(event: Event) -> None:
    """`runtime.deployed`, `runtime.rolled_back` → the owner team, and everybody who asked for it or decided on it."""
    key, payload = str(event["key"]), event["payload"]
    subject = Subject("integration", key, payload["digest"])
    people = _owners(key) | approvals.people_behind(subject, payload["environment"])
    word = "Rolled back" if event["topic"] == "runtime.rolled_back" else "Deployed"
    text = f"{word} in {payload['environment']}: {key}"
    notices.write(event, people, "deployed", text, reverse("runtime:integration", args=[key]))


def on_run_failed(event: Event) -> None:
    """`runtime.run_failed` → the owner team, except people who have not read the last such notice yet."""
    key, payload = str(event["key"]), event["payload"]
    said = f"Run failed: {key}: "
    reason = str(payload.get("error") or "no reason was given").splitlines()[0]
    people = _owners(key) - notices.unread(said, event)
    notices.write(event, people, "run_failed", f"{said}{reason}", reverse("runtime:run", args=[payload["run"]]))


def on_workers_silent(event: Event) -> None:
    """`runtime.workers_silent` → those who keep the installation running: administrators and release managers."""
    lanes = int(event["payload"]["lanes"])
    people = _operators()
    text = f"No worker has taken the work of {counted(lanes, 'lane')} since {event['payload']['since']}"
    notices.write(event, people, "workers_silent", text, reverse("runtime:today"))


def on_workers_missing(event: Event) -> None:
    """`runtime.workers_missing` → the same people."""
    text = f"Fewer workers run than expected: {counted(int(event['payload']['missing']), 'worker')} missing"
    notices.write(event, _operators(), "workers_missing", text, reverse("runtime:today"))


def on_process_replaced(event: Event) -> None:
    """`kernel.process_replaced` → the same people, except who has not read an earlier notice about this role yet."""
    payload = event["payload"]
    begin = f"Replaced: {payload['role']} process"
    people = _operators() - notices.unread(begin, event)
    text = f"{begin} {payload['process']} on {payload['host']} {payload['said']}"
    notices.write(event, people, "process_replaced", text, reverse("runtime:today"))


def on_source_late(event: Event) -> None:
    """`runtime.source_late` → the owner team: what depends on this source gets older than its tier allows."""
    key, payload = str(event["key"]), event["payload"]
    reason = f": {payload['reason']}" if payload.get("reason") else ""
    text = f"Source not read since {payload['since'][:16].replace('T', ' ')} UTC: {key}, {payload['source']}{reason}"
    notices.write(event, _owners(key), "source_late", text, _integration(key, payload["environment"]))


def on_source_read_again(event: Event) -> None:
    """`runtime.source_read_again` → nobody needs to look any more: the notices of the alarm are read."""
    key, payload = str(event["key"]), event["payload"]
    notices.close("source_late", _integration(key, payload["environment"]), f": {key}, {payload['source']}")


def on_hook_fault(event: Event) -> None:
    """`runtime.hook_fault` → the owner team: what a vendor sends by webhook is not taken, or some of it is missing."""
    key, payload = str(event["key"]), event["payload"]
    text = f"Webhooks of {key}, {payload['source']}: {payload['said']}"
    address = f"{reverse('runtime:integration-view', args=[key, 'intake'])}?environment={payload['environment']}"
    notices.write(event, _owners(key), "hook_fault", text, address)


def _integration(key: str, environment: str) -> str:
    address = reverse("runtime:integration", args=[key])
    return address if environment == "production" else f"{address}?environment={environment}"


def on_rewound(event: Event) -> None:
    """`runtime.rewound` → those who keep the installation running: the database went back, messages may be missing."""
    lanes = int(event["payload"]["lanes"])
    text = (
        f"The database went back to an earlier moment. {counted(lanes, 'lane')} ask before they send; "
        "look for what is missing"
    )
    notices.write(event, _operators(), "rewound", text, reverse("runtime:recovery"))


def on_recovered(event: Event) -> None:
    """`runtime.recovered` → the same people: nothing is left to ask about, and how much waits for a decision."""
    left = int(event["payload"]["with_people"])
    rest = f"; {counted(left, 'message')} could not be asked about and wait for a decision" if left else ""
    text = f"Recovery has ended: every lane has passed what was to be asked about{rest}"
    notices.write(event, _operators(), "recovered", text, reverse("runtime:recovery"))


def _operators() -> set[int]:
    administrators = User.objects.filter(is_superuser=True, is_active=True).values_list("pk", flat=True)
    return set(administrators) | notices.members("release-managers")


def on_connection_fault(event: Event) -> None:
    """`runtime.connection_fault` → the teams that own the system and the integrations that call it, except people who
    have not read an earlier notice about it yet."""
    payload, url = event["payload"], _vendor_page(event)
    text = f"{_connection(payload)}: {connection_faults.title(payload['fault'], payload['detail'])}"
    teams = connection_fault_rows.owners_of(payload["vendor"], payload.get("subscription"))
    people = notices.members(*teams) - notices.unread(text[:300], event)
    notices.write(event, people, "connection_fault", text, url)


def on_connection_restored(event: Event) -> None:
    """`runtime.connection_restored` → nobody; the notices about the fault are done with."""
    notices.close("connection_fault", _vendor_page(event), f"{_connection(event['payload'])}: ")


def on_question_fault(event: Event) -> None:
    """`runtime.question_fault` → the same people, about a target whose messages are asked about in vain."""
    payload = event["payload"]
    text = f"{_connection(payload)}: {connection_faults.title(payload['fault'], payload['detail'], question=True)}"
    people = notices.members(*connection_fault_rows.owners_of(payload["vendor"], payload["subscription"]))
    notices.write(event, people - notices.unread(text[:300], event), "question_fault", text, _vendor_page(event))


def on_question_restored(event: Event) -> None:
    """`runtime.question_restored` → nobody; the notices about the question are done with."""
    notices.close("question_fault", _vendor_page(event), f"{_connection(event['payload'])}: ")


def on_alert(event: Event) -> None:
    """`runtime.alert_opened`, `runtime.alert_raised` → the teams that it concerns and those that its rules name; where
    none of them has anybody, those who keep the installation running."""
    payload = event["payload"]
    word = {"page": "Alert", "ticket": "Alert, for a ticket", "info": "Alert, for information"}[payload["severity"]]
    _tell_of_alert(event, f"{word}: {payload['title']}")


def on_alert_joined(event: Event) -> None:
    """`runtime.alert_joined` → nobody: what it asked for is told of another one."""
    notices.close("alert", event["payload"]["url"], "")


def on_alert_resolved(event: Event) -> None:
    """`runtime.alert_resolved` → the same people; nobody needs to look at the first notice any more."""
    notices.close("alert", event["payload"]["url"], "Alert")
    _tell_of_alert(event, f"Resolved: {event['payload']['title']}")


def _tell_of_alert(event: Event, text: str) -> None:
    payload = event["payload"]
    if payload["inbox"] or payload["email"]:
        people = notices.members(*payload["owners"], *payload["teams"]) or _operators()
        notices.write(event, people, "alert", text, payload["url"], inbox=payload["inbox"], email=payload["email"])


def _vendor_page(event: Event) -> str:
    return reverse("runtime:vendor", args=[event["payload"]["vendor"]])


def _connection(payload: Mapping[str, Any]) -> str:
    found = systems.by_key(payload["system"])
    name = found.name if found else payload["system"]
    instance, target = payload.get("instance"), payload.get("target")
    name = f"{name}, {instance}" if instance else name
    return f"{name} ({target}) in {payload['environment']}" if target else f"{name} in {payload['environment']}"


def _owners(key: str) -> set[int]:
    facts = kinds.kind("integration.deploy").facts(Subject("integration", key, ""))
    return notices.members(*(facts.owner_team_ids if facts else ()))
