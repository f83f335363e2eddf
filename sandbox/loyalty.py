"""The loyalty engine, Talon.One-like, under `/v1/loyalty_programs/<program>/`.

    GET  profile/<id>/balances
    POST profile/<id>/add_points        {"points", "reference"}          header Idempotency-Key
    POST profile/<id>/deduct_points     {"points", "reference"}          header Idempotency-Key
    POST reservations                   {"profileId", "points", "reference"}; GET shows it;
                                        then POST reservations/<id>/confirm or /cancel
    POST transactions:batch             {"items": [{"key", "profileId", "type", "points", "reference"}]}
                                        with type "earn" or "redeem"
    POST transactions:lookup            {"keys": […], "references": […]}

`Authorization: ApiKey-v1 <key>`. An idempotency key (at most 255 characters) is kept for 24 hours (setting
`kept_seconds`; the lookup by `references` knows longer): the same key and body give the first answer again with
`Idempotent-Replayed: true`, the same key with another body gives the status of the setting `conflict_status`. Keys of
references that begin as the setting `lasting_keys` are known for ever, whatever else was sent with them. While one
call works on an account (setting `work_ms`), another call on it, or with the same key, gets a 409. Points are whole
numbers or decimal strings with at most two places, never floats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from heapq import heappop, heappush
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sandbox.dataset_types import Dataset, instant
from sandbox.journal import stamp
from sandbox.server import Answer, Call, Emulator, Operation, Refusal, answer, texts

ROOT = "/v1/loyalty_programs/"
VERBS = {"earn": "points.earned", "redeem": "points.redeemed"}


@dataclass
class Account:
    balance: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)

    @property
    def available(self) -> Decimal:
        return self.balance - self.reserved


@dataclass
class Remembered:
    until: datetime
    digest: str
    body: dict[str, Any]
    status: int = 201


@dataclass
class Reservation:
    id: str
    profile: str
    points: Decimal
    until: datetime
    state: str = "reserved"  # reserved → confirmed | cancelled | expired
    reference: str | None = None

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "profileId": self.profile,
            "points": str(self.points),
            "state": self.state,
            "until": stamp(self.until),
        }


class Loyalty(Emulator):
    name = "loyalty"

    def __init__(self, state: Path, data: Dataset, *, seed: int = 1, key: str) -> None:
        super().__init__(state, seed=seed)
        self.settings = {
            "honour_keys": True,
            "conflict_status": 422,
            "work_ms": 0,
            "auto_enrol": True,  # whether an unknown profile is opened by its first transaction
            "reservation_seconds": 900,
            "kept_seconds": 86_400.0,  # how long an idempotency key is known
            "lasting_keys": "",  # of references that begin so the key alone counts, honoured and kept for ever
            "max_batch": 5000,
        }
        self.accounts = {member.id: Account(Decimal(member.points)) for member in data.members}
        self.kept: dict[str, Remembered] = {}
        self.by_reference: dict[str, str] = {}  # business reference → transaction
        self.documents: dict[str, list[dict[str, str]]] = {}  # business reference → every transaction that bears it
        self.reservations: dict[str, Reservation] = {}
        self.transactions = 0
        self._open: list[tuple[datetime, str]] = []  # heap of reservations by their end
        self._busy: set[str] = set()
        self._accept(key=key)

    @property
    def _kept(self) -> timedelta:
        return timedelta(seconds=self.settings["kept_seconds"])

    # --- dispatch ---------------------------------------------------------------------------------------------------

    def resolve(self, method: str, path: str) -> Operation | None:
        if not path.startswith(ROOT):
            return None
        parts = [unquote(part) for part in path[len(ROOT) :].split("/")[1:]]
        match method, *parts:
            case ("GET",):
                return Operation("loyalty.program", False, self._guarded(lambda call: answer({"status": "open"})))
            case "POST", "transactions:batch":
                return Operation("loyalty.batch", True, self._guarded(self._batch), batch=True)
            case "POST", "transactions:lookup":
                return Operation("loyalty.lookup", False, self._guarded(self._lookup))
            case "GET", "profile", profile, "balances":
                return Operation("loyalty.balance", False, self._guarded(self._balance), (profile,))
            case (("POST" | "PUT"), "profile", profile, ("add_points" | "deduct_points") as verb):
                kind = "earn" if verb == "add_points" else "redeem"
                return Operation(f"loyalty.{kind}", True, self._guarded(self._single), (profile, kind))
            case "POST", "reservations":
                return Operation("loyalty.reserve", True, self._guarded(self._single), ("", "reserve"))
            case "GET", "reservations", number:
                return Operation("loyalty.reservation", False, self._guarded(self._show_reservation), (number,))
            case "POST", "reservations", number, ("confirm" | "cancel") as verb:
                return Operation(f"loyalty.{verb}", True, self._guarded(self._settle), (number, verb))
        return None

    def _guarded(
        self, handle: Callable[[Call], Answer | Awaitable[Answer]]
    ) -> Callable[[Call], Answer | Awaitable[Answer]]:
        def guarded(call: Call) -> Answer | Awaitable[Answer]:
            if denied := self.denied(call.headers):
                raise denied
            return handle(call)

        return guarded

    def denied(self, headers: Any) -> Refusal | None:
        if headers.get("Authorization") == f"ApiKey-v1 {self.sign_in['key']}":
            return None
        return Refusal(401, "unauthorized", "Invalid API key", headers=[("WWW-Authenticate", "ApiKey-v1")])

    def refusal(self, refused: Refusal) -> Answer:
        body = {
            "message": refused.message,
            "StatusCode": refused.status,
            "errors": [{"title": refused.code, "detail": refused.message}],
        }
        return answer(body, refused.status)

    # --- reading ----------------------------------------------------------------------------------------------------

    def _balance(self, call: Call) -> Answer:
        self._expire()
        account = self.accounts.get(call.params[0])
        if account is None:
            raise Refusal(404, "profile_not_found", f"no profile {call.params[0]}")
        return answer(
            {
                "profileId": call.params[0],
                "balance": str(account.balance),
                "reserved": str(account.reserved),
                "available": str(account.available),
            }
        )

    def _show_reservation(self, call: Call) -> Answer:
        self._expire()
        return answer(self._reservation(call.params[0]).shown())

    def _lookup(self, call: Call) -> Answer:
        body = call.json()
        keys, references = (texts(body, name, default=[]) for name in ("keys", "references"))
        now = self.journal.now()
        found: dict[str, Any] = {k: {"status": "pending", "job": job} for k, job in self.pending(keys).items()}
        found |= {key: held.body for key in keys if (held := self.kept.get(key)) is not None and held.until > now}
        known: dict[str, Any] = {r: {"status": "pending", "job": job} for r, job in self.pending(references).items()}
        known |= {reference: self.by_reference[reference] for reference in references if reference in self.by_reference}
        missing = [key for key in keys if key not in found] + [
            reference for reference in references if reference not in known
        ]
        documents = {name: self.documents[name] for name in [*keys, *references] if name in self.documents}
        return answer({"found": found, "references": known, "missing": missing, "documents": documents})

    # --- one change -------------------------------------------------------------------------------------------------

    async def _single(self, call: Call) -> Answer:
        body = call.json()
        if not isinstance(body, dict):
            raise Refusal(400, "malformed_request", "the body is an object")
        profile, kind = call.params
        profile = profile or str(body.get("profileId") or "")
        key = call.headers.get("Idempotency-Key")
        item = {
            "key": key,
            "profileId": profile,
            "type": kind,
            "points": body.get("points"),
            "reference": body.get("reference"),
        }
        locks = {f"account {profile}"} | ({f"key {key}"} if key else set())
        if locks & self._busy:
            raise Refusal(409, "concurrent", "another call is working on this account or key")
        self._busy |= locks
        try:
            if self.settings["work_ms"]:
                await asyncio.sleep(self.settings["work_ms"] / 1000)
            effects: list[dict[str, Any]] = []
            status, made = self._apply(item, effects)
            if effects:
                self.journal.record(effects, request=call.request_id, correlation=call.correlation)
        finally:
            self._busy -= locks
        if status >= 400:
            raise Refusal(status, made["error"], made["message"])
        if not effects:
            return answer(made, status, [("Idempotent-Replayed", "true")])
        return answer(made, status)

    def _batch(self, call: Call) -> Answer:
        body = call.json()
        items = body.get("items") if isinstance(body, dict) else None
        if not isinstance(items, list):
            raise Refusal(400, "malformed_request", "the body is an object with a list `items`")
        if len(items) > self.settings["max_batch"]:
            raise Refusal(
                413, "batch_too_large", f"at most {self.settings['max_batch']} items per call, got {len(items)}"
            )
        effects: list[dict[str, Any]] = []
        results = []
        for item in items[: call.decision.prefix(len(items))]:
            before = len(effects)
            if not isinstance(item, dict) or item.get("type", "earn") not in VERBS:
                status, made = 422, {"error": "type", "message": "an item is an object of type earn or redeem"}
            elif f"account {item.get('profileId')}" in self._busy:
                status, made = 409, {"error": "concurrent", "message": "another call is working on this account"}
            else:
                status, made = self._apply({"type": "earn", **item}, effects)
            key = item.get("key") if isinstance(item, dict) else None
            word = "refused" if status >= 400 else "applied" if len(effects) > before else "duplicate"
            results.append({"key": key, "code": status, "status": word, **made})
        if effects:
            self.journal.record(effects, request=call.request_id, correlation=call.correlation)
        return answer({"items": results})

    def _apply(self, item: dict[str, Any], effects: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        """Answer from memory, refuse, or act and append the effect.

        A status below 400 without an appended effect is an answer given again.
        """
        points = _points(item.get("points"))
        if (wrong := _invalid(item, points)) or points is None:
            return 422, wrong or {}
        key, profile, kind = item.get("key"), item["profileId"], item["type"]
        reference = str(item["reference"]) if item.get("reference") is not None else None
        digest = blake2b(f"{profile}\0{kind}\0{points}\0{reference}".encode(), digest_size=8).hexdigest()
        lasts = bool(self.settings["lasting_keys"]) and (reference or "").startswith(self.settings["lasting_keys"])
        held = self.kept.get(key) if key is not None and (lasts or self.settings["honour_keys"]) else None
        if held is not None and (lasts or held.until > self.journal.now()):
            if held.digest != digest and not lasts:
                wrong = {"error": "key_reused", "message": "this key came with another body before"}
                return self.settings["conflict_status"], wrong
            return held.status, held.body
        self._expire()
        account = self.accounts.get(profile)
        if account is None:
            if not self.settings["auto_enrol"]:
                return 404, {"error": "profile_not_found", "message": f"no profile {profile}"}
            account = self.accounts[profile] = Account()
        if kind != "earn" and account.available < points:
            said = f"{account.available} points available, {points} wanted"
            return 422, {"error": "insufficient_points", "message": said}
        number, made = self._book_points(account, profile, kind, points, reference)
        if key is not None:
            self.kept[key] = Remembered(self.journal.now() + self._kept, digest, made)
        if reference is not None:
            self._refer(reference, number, points)
        effects.append(_effect(item, points, reference, {"digest": digest, "answer": made, "reference": reference}))
        return 201, made

    def _refer(self, reference: str, number: str, points: Decimal) -> None:
        self.by_reference.setdefault(reference, number)
        self.documents.setdefault(reference, []).append({"transaction": number, "points": str(points)})

    def _book_points(
        self, account: Account, profile: str, kind: str, points: Decimal, reference: str | None
    ) -> tuple[str, dict[str, Any]]:
        """Change the balance or reserve; returns the transaction's number and the answer."""
        self.transactions += 1
        number = f"T{self.transactions:09d}"
        if kind == "reserve":
            until = self.journal.now() + timedelta(seconds=self.settings["reservation_seconds"])
            booked = Reservation(number, profile, points, until, reference=reference)
            self._book(booked)
            return number, booked.shown()
        account.balance += points if kind == "earn" else -points
        balance = str(account.balance)
        return number, {"transaction": number, "profileId": profile, "points": str(points), "balance": balance}

    # --- reservations -----------------------------------------------------------------------------------------------

    def _reservation(self, number: str) -> Reservation:
        found = self.reservations.get(number)
        if found is None:
            raise Refusal(404, "reservation_not_found", f"no reservation {number}")
        return found

    def _settle(self, call: Call) -> Answer:
        """Confirm or cancel. Again the same: the same answer and no effect. The other one: 409."""
        self._expire()
        booked, wanted = (
            self._reservation(call.params[0]),
            {"confirm": "confirmed", "cancel": "cancelled"}[call.params[1]],
        )
        if booked.state == wanted:
            return answer(booked.shown(), 200, [("Idempotent-Replayed", "true")])
        if booked.state != "reserved":
            raise Refusal(409, f"reservation_{booked.state}", f"reservation {booked.id} is {booked.state}")
        effect = self._close(booked, wanted)
        self.journal.record([effect], request=call.request_id, correlation=call.correlation)
        return answer(booked.shown())

    def _close(self, booked: Reservation, state: str) -> dict[str, Any]:
        account = self.accounts[booked.profile]
        account.reserved -= booked.points
        if state == "confirmed":
            account.balance -= booked.points
        booked.state = state
        return {
            "effect": f"points.{state}",
            "key": booked.id,
            "ref": booked.id,
            "entity": booked.profile,
            "amount": str(booked.points),
            "data": {"reservation": booked.id},
        }

    def _expire(self) -> None:
        """Reservations past their time give their points back; the journal says so once."""
        if not self._open:
            return
        now, effects = self.journal.now(), []
        while self._open and self._open[0][0] <= now:
            booked = self.reservations[heappop(self._open)[1]]
            if booked.state == "reserved":
                effects.append(self._close(booked, "expired"))
        if effects:
            self.journal.record(effects)

    def _book(self, booked: Reservation) -> None:
        self.reservations[booked.id] = booked
        self.accounts[booked.profile].reserved += booked.points
        heappush(self._open, (booked.until, booked.id))

    # --- coming back ------------------------------------------------------------------------------------------------

    def restore(self) -> None:
        for entry in self.journal.entries():
            data = entry.data or {}
            account = self.accounts.setdefault(entry.entity or "", Account())
            points = Decimal(entry.amount or 0)
            if "reservation" in data:
                self._close(self.reservations[data["reservation"]], entry.effect.removeprefix("points."))
                continue
            self.transactions += 1
            made = data["answer"]
            if entry.effect == "points.reserved":
                until = instant(made["until"])
                self._book(Reservation(made["id"], entry.entity or "", points, until, reference=data["reference"]))
            else:
                account.balance += points if entry.effect == "points.earned" else -points
            if entry.key is not None:
                self.kept[entry.key] = Remembered(instant(entry.at) + self._kept, data["digest"], made)
            if data["reference"] is not None:
                number = made.get("transaction") or made["id"]
                self._refer(data["reference"], number, Decimal(entry.amount or 0))

    def describe(self) -> dict[str, Any]:
        return super().describe() | {"accounts": len(self.accounts), "transactions": self.transactions}


def _invalid(item: dict[str, Any], points: Decimal | None) -> dict[str, Any] | None:
    """What is wrong with a transaction as it was sent, or None."""
    key, profile = item.get("key"), item.get("profileId")
    if not isinstance(profile, str) or not profile:
        return {"error": "profile_missing", "message": "a transaction needs a profileId"}
    if key is not None and not (isinstance(key, str) and len(key) <= 255):
        return {"error": "key", "message": "a key is a text of at most 255 characters"}
    if points is None:
        said = "points are a positive whole number or decimal string with at most two places"
        return {"error": "points", "message": said}
    return None


def _effect(item: dict[str, Any], points: Decimal, reference: str | None, data: dict[str, Any]) -> dict[str, Any]:
    """The journal's line of a booked transaction."""
    made: dict[str, Any] = {
        "effect": VERBS.get(item["type"], "points.reserved"),
        "key": item.get("key"),
        "ref": reference or item.get("key"),
        "entity": item["profileId"],
        "amount": str(points),
        "data": data,
    }
    return made | ({"correlation": str(item["correlation"])} if item.get("correlation") else {})


def _points(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        points = Decimal(value)
        if not points.is_finite() or points <= 0 or points != points.quantize(Decimal("0.01")):
            return None
    except InvalidOperation:
        return None
    return points
