"""The example of the reference page: a till's sale for the ERP, and a document that fits it."""

from decimal import Decimal

SALE = {
    "mapping": "sale to ERP",
    "version": 1,
    "lookups": {"tender": {"version": "2026-01", "values": {"CreditDebit": "CARD", "Cash": "CASH"}}},
    "fields": [
        {"to": "key", "from": "id", "type": "string", "required": True, "max_length": 128},
        {"to": "correlation", "correlation": True},
        {"to": "store", "from": "store", "type": "string", "required": True},
        {"to": "till", "from": "till", "type": "string", "required": True},
        {"to": "businessDate", "from": "businessDate", "type": "date", "required": True},
        {"to": "currency", "from": "currency", "type": "string", "required": True},
        {"to": "total", "from": "total", "type": "decimal", "scale": 2, "write": "text", "required": True},
        {"to": "payment", "from": "tenders[0].type", "type": "string", "lookup": "tender"},
        {
            "to": "lines",
            "from": "lines",
            "required": True,
            "when": "not voided",
            "each": [
                {"to": "item", "formula": "strip_leading_zeros(item)", "type": "string", "required": True},
                {"to": "quantity", "from": "quantity", "type": "decimal", "write": "text", "required": True},
                {
                    "to": "amount",
                    "formula": "if(coalesce(kind, 'sale') == 'return', -abs(amount), amount)",
                    "type": "decimal",
                    "scale": 2,
                    "write": "text",
                    "required": True,
                },
                {"to": "kind", "from": "kind", "type": "string", "default": "sale"},
            ],
        },
    ],
}

DOCUMENT = {
    "id": "7/1/2026-03-02/9",
    "store": "7",
    "till": "1",
    "businessDate": "2026-03-02",
    "currency": "EUR",
    "total": Decimal("7.5"),
    "tenders": [{"type": "Cash"}],
    "lines": [
        {"item": "000TG11", "quantity": 2, "amount": Decimal("9.50"), "voided": False},
        {"item": "TG12", "quantity": Decimal("0.5"), "amount": Decimal("2.00"), "kind": "return", "voided": False},
        {"item": "TG13", "quantity": 1, "amount": Decimal("1.00"), "voided": True},
    ],
}


def one(to="x", **field):
    """A mapping of one field."""
    return {"mapping": "one", "version": 1, "fields": [{"to": to, **field}]}
