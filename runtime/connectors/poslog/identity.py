"""What names a transaction: store, workstation, business date and sequence number. What a till leaves out of it stands
in by a rule that its source declares; without one the transaction is rejected, for nobody could tell it from another
one."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from runtime.connectors.poslog.moments import time_of
from runtime.connectors.poslog.reading import Element, child, local, text
from runtime.connectors.poslog.rules import PosLogRules
from runtime.connectors.poslog.stated import BadTransaction, stated
from runtime.domain import record_keys

NAMES = frozenset(
    (
        *("RetailStoreID", "BusinessUnit", "WorkstationID", "SequenceNumber", "BusinessDayDate", "BeginDateTime"),
        *("EndDateTime", "POSLogDateTime", "OperatorID", "TransactionID", "TillID"),
    )
)
"""Elements of a transaction that are read here."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:Z|[T +-].*)?\Z")
_LONGEST = 15  # digits of a sequence number
_STAND_IN = re.compile(r"[!-~]{1,64}\Z")


def header_of(transaction: Element, rules: PosLogRules) -> dict[str, Any]:
    """The head of the document, with its `id`. Raises BadTransaction."""
    store = stated(transaction, "RetailStoreID") or stated(transaction, "BusinessUnit", "UnitID")
    till = stated(transaction, "WorkstationID") or rules.till or None
    day = stated(transaction, "BusinessDayDate")
    sequence = stated(transaction, "SequenceNumber")
    stand_in = None if sequence else _stand_in(transaction, rules.number)
    operator = text(child(transaction, "OperatorID"))
    missing = {
        "store": store is None,
        "workstation": till is None,
        "business date": day is None and not rules.day_begins,
        "sequence number": not sequence and not stand_in,
        "operator": operator is None and rules.numbers_per == "operator",
    }
    if any(missing.values()):
        said = ", ".join(name for name, absent in missing.items() if absent)
        hint = (
            f" (nor is there a {rules.number} to number it by)" if missing["sequence number"] and rules.number else ""
        )
        raise BadTransaction(
            f"a sale is identified by store, workstation, business date and sequence; missing: {said}{hint}"
        )
    assert store is not None
    assert till is not None
    zone = rules.zone_of(store)
    day = _day_by_rule(transaction, rules.day_begins, zone) if day is None else day
    if not _is_day(day):
        raise BadTransaction(f"the business date {day!r} is not a date")
    if sequence and not is_number(sequence):
        raise BadTransaction(
            f"the sequence number {sequence[:40]!r} is not a whole number of at most {_LONGEST} digits"
        )
    named = sequence or stand_in or ""
    number = int(named) if is_number(named) else None
    between = [operator] if rules.numbers_per == "operator" and operator else []
    return {
        "id": record_keys.joined([store, till, day[:10], *between, named if number is None else str(number)]),
        "store": store,
        "till": till,
        "businessDate": day[:10],
        "sequence": number,
        "transactionId": text(transaction, "TransactionID"),
        "beginAt": time_of(transaction, "BeginDateTime", zone),
        "endAt": time_of(transaction, "EndDateTime", zone) or time_of(transaction, "POSLogDateTime", zone),
        "operator": operator,
        "currency": stated(transaction, "CurrencyCode"),
    }


def _stand_in(transaction: Element, number: str) -> str | None:
    """What the transaction, or its receipt, is called."""
    if number == "transaction":
        found = stated(transaction, "TransactionID")
    elif number == "receipt":
        places = [transaction, *(one for one in transaction if local(one).endswith("Transaction"))]
        found = next((value for one in places if (value := stated(one, "ReceiptNumber"))), None)
    else:
        return None
    if found is not None and not _STAND_IN.match(found):
        raise BadTransaction(
            f"the number of its {number} is {found[:40]!r}; letters, digits and signs of ASCII name it"
        )
    return found


def _day_by_rule(transaction: Element, begins: str, zone: str) -> str:
    """The day of its end in the time of the store; what is rung before the day begins belongs to the one before."""
    names = ("EndDateTime", "BeginDateTime", "POSLogDateTime")
    written = next((value for name in names if (value := time_of(transaction, name, zone))), None)
    if written is None:
        raise BadTransaction("it states no business date and no time that would tell it")
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise BadTransaction(f"it states no business date, and its time {written[:40]!r} is none") from None
    if "T" not in written and " " not in written:
        raise BadTransaction(f"it states no business date, and {written[:40]!r} has no time of day")
    if moment.tzinfo is not None and zone:
        moment = moment.astimezone(ZoneInfo(zone))
    elif written.endswith(("Z", "z")):
        raise BadTransaction("it states no business date, and its time is that of UTC; say the `zone` of its store")
    since = time.fromisoformat(begins)
    return (moment - timedelta(hours=since.hour, minutes=since.minute)).date().isoformat()


def is_number(said: str) -> bool:
    """Whether a transaction can be counted by it."""
    return said.isascii() and said.isdecimal() and len(said) <= _LONGEST


def _is_day(said: str) -> bool:
    """A day of the calendar, with a time or a zone behind it or without."""
    try:
        date.fromisoformat(said[:10])
    except ValueError:
        return False
    return _DATE.match(said) is not None


__all__ = ["NAMES", "header_of", "is_number"]
