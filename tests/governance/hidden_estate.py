"""An estate with one restricted API that nearly everything else has to do with, and every address of the product.

Its word stands in its key, its name, its contract and in all that was decided, recorded and reported about it.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver

from catalog.models import ApiVersion, Application, BrownOut, Contract, Environment, UsageDay
from catalog.services import announcements, audit_snapshots, sunset_notices
from catalog.services import blueprint as blueprints
from governance.domain.subject import Subject
from governance.models import ChangeRequest, Verdict
from governance.services import breakglass, changes, policies, release_records, verdicts, waivers, webhooks
from kernel import clock, outbox
from kernel.viewer import SYSTEM, Viewer
from tests import kept_rows
from tests.catalog import make as catalog
from tests.governance import make
from tests.governance.gate_estate import subscribe
from tests.governance.test_catalog_changes import POLICY

WORD, ABSENT = "quokkabank", "quokkabanx"
SLUG, REFERENCE = "quokkabank-api", "quokkabank-api@v1"
OPEN = "price-api"
# What differs from call to call.
OF_A_CALL = re.compile(
    r'(?:value|nonce|content)="[A-Za-z0-9+/=_-]{20,}"|X-CSRFToken[^A-Za-z0-9]+[A-Za-z0-9]{32,}'
    r'|"request_id": ?"[^"]*"|"instance": ?"[^"]*"|<code>[0-9a-f]{32}</code>'
    r"|(?<!\w)\d\d:\d\d(?::\d\d)?(?:\.\d+)?"
)
LIMIT = 24  # addresses of one pattern


@kept_rows.once
def build() -> None:
    """Seen by the loyalty team, and by nobody of the stores and the release managers."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        shutil.copytree(catalog.ESTATE, base, dirs_exist_ok=True)
        text = (base / "loyalty-v1.yaml").read_text()
        (base / "quokkabank.yaml").write_text(text.replace("points", "quokkabank"))
        blueprints.apply(_blueprint(), actor=None, base_dir=base)
    policies.install(level="organisation", document=POLICY, actor=None)
    make.person("znil")
    webhooks.register(
        actor=make.person("rita", "release-managers"),
        name="receiver",
        url="https://receiver.example.test/in",
        topics=["catalog.*", "governance.*"],
    )
    _relations()
    _decisions()
    while outbox.dispatch():
        pass


def watched() -> None:
    """A waiver and a break-glass case about it: architects and release managers watch over those."""
    lea = catalog.person("lea")
    waivers.propose(
        actor=lea,
        rule="version.past_sunset",
        pointer=f"/consumed/items/{REFERENCE}",
        subject=subject(),
        environment="production",
        application="till",
        reason="Kiosks with quokkabank are frozen.",
        expires_at=clock.now() + timedelta(days=5),
    )
    breakglass.open_case(actor=lea, subject=subject(), environment="production", reason="Tills show no quokkabank.")
    while outbox.dispatch():
        pass


def _blueprint() -> dict[str, Any]:
    document = catalog.blueprint()
    (price,) = (api for api in document["apis"] if api["slug"] == OPEN)
    price["versions"][1] |= {"state": "deprecated", "deprecated_at": date(2026, 1, 1), "sunset_at": date(2027, 6, 1)}
    (loyalty,) = (api for api in document["apis"] if api["slug"] == "loyalty-api")
    hidden = loyalty | {"slug": SLUG, "name": "Quokkabank API", "purpose": "Quokkabank keeps all quokkabank."}
    live = loyalty["versions"][0] | {"contract": "quokkabank.yaml"}
    ends = live | {"label": "v0", "contract": "loyalty-v1.yaml", "state": "deprecated"}
    ends |= {"deprecated_at": date(2026, 1, 1), "sunset_at": date(2027, 1, 1), "successor": "v1"}
    document["apis"].append(hidden | {"versions": [ends, live]})
    used = {"application": "web-shop", "version": REFERENCE, "environment": "production", "from": date(2025, 6, 1)}
    document["subscriptions"].append(used)
    document["dependencies"] += [{"api": OPEN, "needs": SLUG}, {"api": SLUG, "needs": OPEN}]
    return document


def _relations() -> None:
    """What nobody may draw a conclusion from: a successor, uses, records, a subscription asked for, brown-outs."""
    now, production = clock.now(), Environment.objects.get(key="production")
    price = ApiVersion.objects.select_related("api").get(api__slug=OPEN, label="v2")
    before = audit_snapshots.of_version(price)
    price.successor = ApiVersion.objects.select_related("api").get(api__slug=SLUG, label="v1")
    price.save()
    with transaction.atomic():
        announcements.version_changed(price, "version_deprecated", actor=None, before=before, payload={"state": "x"})
    for label in ("v0", "v1"):
        UsageDay.objects.create(
            application=Application.objects.get(key="till"),
            version=ApiVersion.objects.get(api__slug=SLUG, label=label),
            environment=production,
            day=now.date(),
            calls=5,
            last_seen_at=now,
        )
    subscribe("price-service", REFERENCE, "ended")
    lea = catalog.person("lea")
    BrownOut.objects.create(
        version=ApiVersion.objects.get(api__slug=SLUG, label="v0"),
        environment=production,
        starts_at=now + timedelta(days=3),
        ends_at=now + timedelta(days=3, hours=2),
        note="Try without quokkabank.",
        planned_by=lea,
    )
    sunset_notices.tell_due()
    release_records.record_deployment(
        {"application": "till", "version": "7", "environment": "production", "consumes": [REFERENCE, f"{OPEN}@v2"]},
        viewer=SYSTEM,
    )
    release_records.record_release(
        {"application": "price-service", "version": "7", "environment": "production", "provides": [REFERENCE]},
        viewer=SYSTEM,
    )


def subject() -> Subject:
    digest = ApiVersion.objects.get(api__slug=SLUG, label="v1").contract_id
    assert digest
    return Subject("version", REFERENCE, digest)


def _decisions() -> None:
    lea, piet = catalog.person("lea"), catalog.person("piet")
    window = {"planned_from": clock.now(), "planned_until": clock.now() + timedelta(days=3)}
    words = {"environment": "production", "justification": "It is time.", "rollback_plan": "Put it back."} | window
    made = changes.open_change(
        author=lea, kind="version.deprecate", subjects=[subject()], title="End of quokkabank", **words
    )
    changes.comment(made, actor=lea, text="Good bye, quokkabank.")
    changes.submit(made, actor=lea)
    price = ApiVersion.objects.get(api__slug=OPEN, label="v2")
    assert price.contract_id
    named = changes.open_change(
        author=piet,
        kind="version.deprecate",
        subjects=[Subject("version", f"{OPEN}@v2", price.contract_id)],
        title="End of the old prices",
        parameters={"successor": REFERENCE, "sunset_at": "2027-12-31T00:00:00Z", "guide": "Go on."},
        **words,
    )
    changes.submit(named, actor=piet)
    for who in ("lea", "stan"):
        names = [REFERENCE] if who == "lea" else [f"{OPEN}@v2"]
        asked = {"application": "till", "version": "7", "environment": "production", "consumes": names}
        verdicts.ask(asked, viewer=Viewer.of(catalog.person(who)))


def manifest(**target: Any) -> dict[str, Any]:
    """An integration of the stores that writes to the restricted API, sound but for what `target` says otherwise."""
    fields = [{"to": "nothing", "from": "transaction", "type": "string", "required": True}]
    return {
        "integration": "stores-out",
        "title": "Stores out",
        "domain": "loyalty",
        "owner": "store-systems",
        "tier": 2,
        "lanes": 2,
        "degraded_mode": "queue_only",
        "note": "What the stores have to say.",
        "sources": [{"name": "tills", "system": "price-engine"}],
        "event": {
            "name": "sale",
            "meaning": "fact",
            "key": "/transaction",
            "schema": {"type": "object", "required": ["transaction"]},
        },
        "targets": [
            {
                "name": "out",
                "system": "price-engine",
                "api": REFERENCE,
                "contract": "sha256:" + "b" * 64,
                "operation": "POST /x",
                "idempotency": "U",
                "batch": 1,
                "connection": {"protocol": "rest", "profile": "retail-sales"},
                "writes": [{"entity": "loyalty-account", "kind": "command"}],
                "limits": {"rate": 10, "burst": 20, "budget": 36000},
                "mapping": {"mapping": "out", "version": "1", "fields": fields},
                **target,
            }
        ],
    }


@dataclass(frozen=True)
class Address:
    """An address of the product; `hidden` says that it names the restricted API, `absent` is the same of nothing."""

    name: str
    path: str
    absent: str

    @property
    def hidden(self) -> bool:
        return self.path != self.absent


def patterns(found: Any = None, spaces: Sequence[str] = (), begin: str = "") -> Iterator[tuple[str, str, list[str]]]:
    """Every pattern that is named, with its path and the names of its parameters."""
    for one in (found or get_resolver()).url_patterns:
        path = begin + _plain(str(one.pattern))
        if isinstance(one, URLResolver):
            if one.app_name != "admin":
                yield from patterns(one, [*spaces, *([one.namespace] if one.namespace else [])], path)
        elif isinstance(one, URLPattern):
            yield ":".join([*spaces, one.name or path]), path, re.findall(r"\{(\w+)\}", path)


def _plain(route: str) -> str:
    route = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"{\1}", route).replace("\\", "")
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route).lstrip("^").rstrip("$")


def addresses(limit: int = LIMIT) -> list[Address]:
    """Each address with at most so many values of its parameters, what is open first."""
    values = _values()
    made = []
    for name, path, parameters in patterns():
        if name in ("sign-out", "live", "ready"):
            continue
        choices = [values.get(parameter, ["1"]) for parameter in parameters]
        for chosen in list(product(*choices))[:limit]:
            filled = path.format(**dict(zip(parameters, chosen, strict=True)))
            made.append(Address(name, f"/{filled}", f"/{_absent(filled)}"))
    return made


def _absent(path: str) -> str:
    """The same of something that is not there."""
    hidden = Contract.objects.filter(versions__api__slug=SLUG).values_list("digest", flat=True)
    for digest in hidden:
        path = path.replace(digest, f"sha256:{'0' * 64}")
    return path.replace(WORD, ABSENT)


def _values() -> dict[str, list[str]]:
    """What stands in addresses: the restricted thing and open ones."""

    def numbers(model: Any) -> list[str]:
        return [str(pk) for pk in model.objects.order_by("-pk").values_list("pk", flat=True)[:12]]

    return {
        "slug": [OPEN, SLUG, "self-checkout"],
        "label": ["v2", "v1"],
        "key": [
            "till",
            "web-shop",
            "price-service",
            "owners",
            "production",
            "loyalty",
            "store-systems",
            "pricing",
            "loyalty-engine",
            "price-engine",
            "receiver",
        ],
        "change_id": numbers(ChangeRequest),
        "verdict_id": numbers(Verdict),
        "digest": [str(subject().digest)],
        "form": ["csv", "json"],
        "step": ["confirm"],
        "subject": [REFERENCE],
    }


def renamed(answer: str) -> str:
    """An answer about what is not there, as if the restricted thing had been asked for."""
    digest = subject().digest.removeprefix("sha256:")
    return answer.replace(ABSENT, WORD).replace("0" * 64, digest).replace("0" * 12, digest[:12])
