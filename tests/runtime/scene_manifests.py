"""The manifests of the two integrations that `scene` deploys."""

from __future__ import annotations

from typing import Any

SALES: dict[str, Any] = {
    "integration": "sales",
    "title": "Sales",
    "domain": "sales",
    "owner": "sales-finance",
    "tier": 1,
    "lanes": 2,
    "degraded_mode": "queue_only",
    "note": "Every closed sale is posted once and earns its points.",
    "sources": [{"name": "tills", "system": "pos"}],
    "event": {
        "name": "sale",
        "meaning": "fact",
        "key": "/transaction",
        "schema": {"type": "object", "required": ["transaction", "total"]},
    },
    "targets": [
        {
            "name": "journal",
            "system": "s4",
            "api": "s4-sales@v1",
            "contract": "sha256:" + "a" * 64,
            "operation": "POST /sales",
            "idempotency": "L",
            "batch": 50,
            "connection": {"protocol": "rest", "profile": "retail-sales"},
            "writes": [{"entity": "journal-entry", "kind": "command"}],
            "limits": {"rate": 10, "burst": 20, "budget": 36000},
            "mapping": {
                "mapping": "sale-to-journal",
                "version": "3",
                "fields": [
                    {
                        "to": "reference",
                        "from": "transaction",
                        "type": "string",
                        "required": True,
                        "note": "the sale's identity",
                    },
                    {"to": "journalDate", "from": "business_date", "type": "date", "note": "not the calendar date"},
                    {"to": "amount", "from": "total", "type": "money", "currency": "EUR", "required": True},
                    {"to": "taxCode", "from": "tax_class", "type": "string", "lookup": "tax-map"},
                    {
                        "to": "lines",
                        "from": "lines",
                        "each": [
                            {"to": "account", "constant": "4000"},
                            {"to": "amount", "formula": "quantity * price", "type": "decimal", "scale": 2},
                        ],
                    },
                ],
                "lookups": {"tax-map": {"version": "14", "values": {"R1": "V1", "R2": "V2"}}},
            },
        },
        {
            "name": "earn",
            "system": "loyalty",
            "api": "loyalty-earn@v1",
            "contract": "sha256:" + "b" * 64,
            "idempotency": "K",
            "connection": {"protocol": "rest", "profile": "loyalty"},
            "writes": [{"entity": "loyalty-account", "kind": "command"}],
            "mapping": {
                "mapping": "sale-to-points",
                "version": "1",
                "fields": [
                    {"to": "member", "from": "member", "type": "string", "required": True},
                    {"to": "reference", "from": "transaction", "type": "string"},
                ],
            },
        },
    ],
}

PRICES: dict[str, Any] = {
    "integration": "prices",
    "title": "Prices to tills",
    "domain": "price",
    "owner": "pricing",
    "tier": 1,
    "lanes": 2,
    "degraded_mode": "local_with_caps",
    "sources": [
        {"name": "conditions", "system": "s4", "connection": {"protocol": "odata_v2", "profile": "s4hana-cloud"}}
    ],
    "event": {"name": "price", "meaning": "state"},
    "targets": [
        {
            "name": "stores",
            "system": "pos",
            "instances": ["0101", "0102", "0103", "0187", "0206", "0590"],
            "idempotency": "N",
            "coalesce": True,
            "batch": 100,
            "api": "store-prices@v1",
            "contract": "sha256:" + "c" * 64,
            "connection": {"protocol": "rest", "profile": "store-server"},
            "writes": [{"entity": "price", "attribute_group": "base-price", "kind": "replica"}],
            "mapping": {
                "mapping": "price",
                "version": "1",
                "fields": [{"to": "sku", "from": "Material", "type": "string", "required": True}],
            },
        }
    ],
    "schedule": {"when": "every 15m", "zone": "Europe/Berlin"},
}
