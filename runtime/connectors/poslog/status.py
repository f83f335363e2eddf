"""Whether a transaction is a sale: its flags and statuses, wherever a till writes them.

Versions and vendors write them as attributes or as elements, of the transaction or of its body, and under several
names. A flag is an XML Schema boolean: white space around it means nothing, 1 and 0 are words for it. What is neither
true nor false, and a status that nobody knows, do not say that it is a sale, so the transaction is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import Any

from runtime.connectors.poslog.reading import Element, attribute, local, text
from runtime.connectors.poslog.stated import BadTransaction

_FLAGS = {
    "training": (
        *("TrainingModeFlag", "TrainingFlag", "TrainingMode", "Training", "IsTraining"),
        *("TestModeFlag", "TestFlag", "TestMode"),
    ),
    "cancelled": (
        *("CancelFlag", "CancelledFlag", "CanceledFlag", "Cancelled", "Canceled", "Cancel", "IsCancelled"),
        *("IsCanceled", "AbortFlag", "AbortedFlag", "Aborted", "FailedFlag"),
    ),
    "offline": ("OfflineFlag",),
    "suspended": ("SuspendFlag", "SuspendedFlag", "Suspend", "Suspended", "IsSuspended"),
    "voided": ("VoidFlag", "VoidedFlag", "PostVoidFlag", "PostVoidedFlag", "Voided", "IsVoided", "IsVoid"),
}
_NOT_SOLD = {
    spelling.lower(): spelling for name, spellings in _FLAGS.items() if name != "offline" for spelling in spellings
}
_NO_RECEIPT = {one.lower() for name in ("training", "suspended") for one in _FLAGS[name]}
# What a status makes of a transaction; "" leaves it a sale.
_STATUSES = {
    **dict.fromkeys(
        ("delivered", "finished", "tendered", "totaled", "totalled", "complete", "completed", "closed", "normal"), ""
    ),
    **dict.fromkeys(("succeeded", "successful", "success", "approved", "settled", "committed", "posted", "paid"), ""),
    **dict.fromkeys(("suspended", "suspendeddeleted", "suspendedretrieved", "parked", "onhold"), "suspended"),
    **dict.fromkeys(("inprocess", "inprogress", "open", "started", "pending"), "suspended"),
    **dict.fromkeys(
        ("canceled", "cancelled", "cancel", "aborted", "failed", "declined", "abandoned", "cancelorphaned"), "cancelled"
    ),
    **dict.fromkeys(("void", "voided", "postvoid", "postvoided"), "voided"),
    **dict.fromkeys(("training", "trainingmode"), "training"),
}
OTHERS = ("Original", "Previous", "Linked", "Reference")  # names of what is about another transaction
_LETTERS = re.compile("[^a-z]")


def flag(element: Element, name: str) -> bool:
    """An attribute, or an element in it, as XML Schema reads a boolean, in capitals, too. Raises BadTransaction."""
    read = [boolean(value, name) for value in values_of([element], name)]
    return any(read)


def not_sold(*elements: Element) -> bool:
    """Whether a line, or what stands in it, is one that was withdrawn: any flag that says so, of any of the names
    that transactions have, too. Raises BadTransaction for one that cannot be read."""
    read = [boolean(value, name) for element in elements for name, value in _said(element, _NOT_SOLD)]
    return any(read)


def _said(element: Element, names: Container[str]) -> Iterator[tuple[str, str]]:
    """The flags of these names that an element has, by attributes and by elements in it."""
    for key, value in element.attrib.items():
        if (name := str(key).rpartition("}")[2]).lower() in names:
            yield name, str(value)
    for one in element:
        if (name := local(one)).lower() in names and attribute(one, "nil") not in ("true", "1"):
            yield name, _content(one)


def unplaced_flag(transaction: Element, body: Element) -> None:
    """A flag that says that something is no sale, and stands where nobody can tell what it is about. Raises
    BadTransaction. What is said of another transaction (links) says nothing of this one."""
    waiting = [(one, one is body, False) for one in transaction]
    while waiting:
        element, read, in_line = waiting.pop()
        name = local(element)
        if not name or name.endswith("Link") or name.startswith(OTHERS):
            continue
        line = name == "LineItem"
        if not read and not line:
            for flag_name, value in _said(element, _NO_RECEIPT if in_line else _NOT_SOLD):
                if boolean(value, flag_name):
                    raise BadTransaction(
                        f"{flag_name} stands in {name}, and what it is about cannot be told; have the till write it on "
                        "the transaction or on the line that is meant"
                    )
        waiting += [(one, line, in_line or line) for one in element]


def boolean(value: str | None, name: str) -> bool:
    said = (value or "").strip().lower()
    if said in ("true", "1"):
        return True
    if said in ("false", "0") or value is None:
        return False
    raise BadTransaction(f"{name} is {(value or '')[:40]!r}, neither true nor false")


def status_of(transaction: Element, body: Element | None, declared: Mapping[str, str]) -> dict[str, Any]:
    """The flags of the document, and `status` and `typeCode` as they are written. `declared`: what the words of a
    vendor mean; they count more than those of the standard."""
    of_vendor = {_plain(word): "" if meaning == "sale" else meaning for word, meaning in declared.items()}
    places = [transaction] if body is None else [transaction, body]
    made: dict[str, Any] = {}
    for name, spellings in _FLAGS.items():
        read = [boolean(value, spelling) for spelling in spellings for value in values_of(places, spelling)]
        made[name] = any(read)
    said = [value.strip() for value in values_of(places, "TransactionStatus")]
    for one in said:
        meaning = of_vendor.get(_plain(one), _STATUSES.get(_LETTERS.sub("", _plain(one))))
        if meaning is None:
            raise BadTransaction(
                f"TransactionStatus is {one[:40]!r}, and that is not known to be a sale, nor to be none; say what it "
                "means in the source's settings (`statuses`), or have the till send a status of the standard"
            )
        if meaning:
            made[meaning] = True
    made["status"] = said[0] if said else None
    made["typeCode"] = next((value.strip() for value in values_of(places, "TypeCode") if value.strip()), None)
    for word in (made["typeCode"] or "", *values_of(places, "TransactionType")):
        kind = _STATUSES.get(_LETTERS.sub("", _plain(word)), "")
        if kind and kind != "voided":  # that is a sale which takes another one back
            made[kind] = True
    return made


def is_post_void(transaction: Element, body: Element, type_code: str | None) -> bool:
    """Whether the transaction takes another one back."""
    word = _LETTERS.sub("", (type_code or "").rpartition(":")[2].lower())
    return word in ("postvoid", "void", "voided", "voidtransaction") or any(
        local(one) in ("PostVoid", "PostVoidTransaction") for place in (transaction, body) for one in place
    )


def _plain(word: str) -> str:
    """Without the prefix of a vendor, in small letters."""
    return word.rpartition(":")[2].strip().lower()


def values_of(places: list[Element], name: str) -> list[str]:
    """Every value of the name, in large or small letters: as an attribute, and as an element."""
    return [value for one in places for _, value in _said(one, (name.lower(),))]


def _content(element: Element) -> str:
    """The text of an element, else its attribute `value` or `Status`, where `yes` and `no` are words of a flag."""
    names = ("value", "Value", "Status", "status")
    said = text(element) or next((value for name in names if (value := attribute(element, name)) is not None), "")
    return {"yes": "true", "no": "false"}.get(said.strip().lower(), said) if text(element) is None else said


__all__ = ["boolean", "flag", "is_post_void", "not_sold", "status_of", "unplaced_flag", "values_of"]
