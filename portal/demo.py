"""The demo retailer: fills an empty installation. Idempotent; not used where `DEMO` is off."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password

from catalog.services import blueprint
from governance.domain.subject import Subject
from governance.selectors import changes as open_changes
from governance.selectors import policies as policies_in_force
from governance.services import applying, approvals, changes, checks, policies, release_records, reviews
from kernel import bounded_yaml, clock, tokens
from kernel.digest import digest_of
from kernel.errors import Conflict, Forbidden
from kernel.models import User
from kernel.viewer import SYSTEM
from portal import demo_database
from portal.sign_ins import PASSWORD, SIGN_INS
from runtime.services import deployments, integrations

SEED = Path(__file__).resolve().parent.parent / "deploy" / "demo"


def document(seed: Path = SEED) -> dict[str, Any]:
    """The blueprint with `${NAME}` replaced from the environment; an unset name becomes an unused address."""
    text = (seed / "retailer.yaml").read_text()
    filled = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], "http://127.0.0.1:9"), text)
    loaded: dict[str, Any] = bounded_yaml.load(filled)
    return loaded


SALES_BEGUN = ("ida", "lena", "ada", "sam")  # who has decided already when the demo opens
MOVERS = ("sofia", "stan", "lena", "sam", "ada", "arno")
"""Owners of the demo's systems, security and the architects."""
SALES_WAITING = ("sofia", "rita")  # whom it waits for


def policy() -> dict[str, Any]:
    """The organisation's first policy."""
    loaded: dict[str, Any] = bounded_yaml.load_file(SEED / "policy.yaml")
    return loaded


def manifest(name: str) -> dict[str, Any]:
    """An integration's manifest as its author hands it in: contracts pinned at what the catalog holds now."""
    loaded: dict[str, Any] = integrations.pinned(bounded_yaml.load_file(SEED / "integrations" / f"{name}.yaml"))
    return loaded


def apply(
    *, seed: Path = SEED, deploy_everything: bool = False, say: Callable[[str], object] = lambda text: None
) -> str:
    """Estate, policy and two integrations: products and prices approved and deployed, sales still short of two
    approvals.

    `seed` is another folder of the same shape; with `deploy_everything` the last two people approve as well. Everything
    goes through the services that people use, as those people. `say` hears what is being done; the answer is one line
    that sums up. Raises Conflict where the database was not empty when its demo began.
    """
    demo_database.begin()
    say("teams, people, systems, APIs and contracts")
    report = blueprint.apply(document(seed), actor=None, base_dir=seed, keeps=True)
    for outcome, kind, key, note in report.lines:
        if outcome in ("changed", "kept") and note:
            say(f"{kind.replace('_', ' ')} {key} {outcome}: {note}")
    waiting = [key for outcome, kind, key, _ in report.lines if (outcome, kind) == ("waits", "endpoint")]
    say("sign-ins, policy and the pipeline's token")
    _sign_ins()
    if policies_in_force.present() is None:
        policies.install(level="organisation", document=policy(), actor=None)
    _pipeline_token()
    say("what runs already")
    _records()
    say("integration products-and-prices: register, check, approve, deploy")
    _integration("products-and-prices", decide=("ida", "petra", "paul", "stan", "ada", "rita"), deploy=True)
    say("integration sales: register, check, approve in part")
    _integration("sales", decide=SALES_BEGUN + (SALES_WAITING if deploy_everything else ()), deploy=deploy_everything)
    for place in waiting:
        say(f"where {place} answers: propose, check, approve")
        _move(place, document(seed))
    return f"Demo retailer: {report.summary()}"


def _move(place: str, wanted: dict[str, Any]) -> None:
    """The sandbox answers at another port than before, and what runs over it was approved for that: it moves as any
    system does, by a change that the people of the demo decide."""
    key, _, environment = place.partition("/")
    (endpoint,) = [s["endpoints"][environment] for s in wanted["systems"] if s["key"] == key]
    now = clock.now()
    change = changes.open_change(
        author=User.objects.get(username="ivy"),
        kind="system.destination",
        subjects=[Subject("destination", place, digest_of(endpoint))],
        environment=environment,
        title=f"The sandbox of {key} answers at another port",
        justification="The demo was started anew and its sandbox has other ports.",
        rollback_plan="Start the demo with the ports of before.",
        planned_from=now,
        planned_until=now + timedelta(days=1),
        parameters=endpoint,
    )
    changes.submit(change, actor=change.author)
    checks.run_checks(change.pk)
    for username in MOVERS:
        change.refresh_from_db()
        try:
            reviews.approve(change, actor=User.objects.get(username=username), seen=reviews.Seen.of(change))
        except (Conflict, Forbidden):
            continue  # fills no slot of it, or none is left
    applying.apply_due()


def _integration(name: str, *, decide: tuple[str, ...], deploy: bool) -> None:
    """Register the release and open its change as its author; the given people decide, and another one deploys."""
    author = User.objects.get(username="ivy")
    release = integrations.register(manifest(name), actor=author)
    subject = Subject("integration", release.integration.key, release.digest)
    if any(
        subject in changes.subjects_of(change)
        for change in open_changes.of_subject(subject.kind, subject.id, viewer=SYSTEM)
    ):
        return
    now = clock.now()
    change = changes.open_change(
        author=author,
        kind="integration.deploy",
        subjects=[subject],
        environment="production",
        title=f"Deploy {release.integration.title.lower()} to production",
        justification=release.manifest.get("note", "")
        or f"{release.integration.title} replaces the point-to-point script.",
        rollback_plan=(
            "Pause the integration; stores keep what they have. "
            "Roll back to the release before, under its own approval."
        ),
        planned_from=now,
        planned_until=now + timedelta(days=14),
    )
    change = changes.submit(change, actor=author)
    checks.run_checks(change.pk)
    for username in decide:
        change.refresh_from_db()
        reviews.approve(change, actor=User.objects.get(username=username), seen=reviews.Seen.of(change))
    if deploy:
        deployments.deploy(subject.id, approval=approvals.require(subject, subject.digest, "production"), actor=author)


RUNS: tuple[dict[str, Any], ...] = (
    {"application": "price-service", "version": "5.2.0", "provides": ["price-api@v1", "price-api@v2"]},
    {"application": "web-shop", "version": "4.11.0", "consumes": ["price-api@v2"]},
    {"application": "kiosk", "version": "1.9.3", "consumes": ["price-api@v1"]},
)


def _records() -> None:
    """What pipelines have recorded already, so that the gate knows who provides what."""
    if release_records.listed(SYSTEM, environment="production").exists():
        return
    for one in RUNS:
        release_records.record_deployment({"environment": "production", **one}, viewer=SYSTEM)


def _sign_ins() -> None:
    """The demo's password for people who have none yet; hashed once, since a good hash takes its time."""
    people = [
        u for u in User.objects.filter(username__in=[name for name, *_ in SIGN_INS]) if not u.has_usable_password()
    ]
    if people:
        User.objects.filter(pk__in=[u.pk for u in people]).update(password=make_password(PASSWORD))


def _pipeline_token() -> None:
    """A token for the web shop's release pipeline, kept in a file that only its owner reads."""
    path = settings.STATE_DIR / "pipeline-token"
    user = User.objects.get(username="pipeline")
    if path.exists() and tokens.find(path.read_text().strip()):
        return
    _, secret = tokens.issue(
        actor=None,
        user=user,
        name="demo pipeline",
        scopes=["gate:ask", "record:write", "catalog:read", "usage:write"],
        days=90,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(secret)
