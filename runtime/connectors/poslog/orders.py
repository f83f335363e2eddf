"""A customer order takes money in for goods that are sold later: what was paid is posted, and the goods wait for the
receipt that hands them over (which redeems the deposit)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from runtime.connectors.poslog.balance import Balance

ZERO = Decimal(0)


def of_order(document: dict[str, Any], balance: Balance, *, counts: bool) -> list[str]:
    """Put the goods of an order aside (`orderedLines`), and say what it takes in: `total` is what was paid,
    `orderTotal` what the order comes to. The payment has to be that of the whole order, or the deposit that the order
    states. Returns what does not add up; where the order does not count, `sale` is false and nothing is asked."""
    document["orderedLines"], document["lines"] = document["lines"], []
    paid = sum((balance.paid_by(one) or ZERO for one in balance.kept if one.family == "tenders"), ZERO)
    tenders = any(one.family == "tenders" for one in balance.kept)
    document["sale"] = counts and tenders
    if not document["sale"]:
        return []
    deposits = [one for one in balance.kept if one.family == "charges" and one.data["kind"] == "deposit"]
    flaws = [one.flaw for one in balance.kept if one.flaw]
    reasons = flaws if deposits or balance.ok else list(balance.reasons)
    if deposits and (gap := sum((one.effect or ZERO for one in deposits), ZERO) - paid):
        reasons.append(f"tenders of {paid} are not the deposit of the order (a difference of {abs(gap)})")
    if reasons:
        return reasons
    document["orderTotal"], document["total"] = document["total"], paid
    if not deposits:
        charge = {"sequence": 0, "voided": False, "kind": "customer_order", "amount": paid, "effect": paid}
        document["charges"] = [charge]
    else:
        document["charges"] = [one.data for one in deposits]
    document["control"] = {"ok": True, "reasons": [], "adjustments": paid}
    return []


__all__ = ["of_order"]
