"""The demo retailer: its sign-ins and how it gets into an empty installation. Idempotent; never used where `DEMO` is off."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml

SEED = Path(__file__).resolve().parent.parent / "deploy" / "demo"
PASSWORD = "tillgate-demo"  # noqa: S105 - the demo's well-known password, on loopback only
SIGN_INS = (
    ("ada", "architect"),
    ("petra", "owner of price and product"),
    ("sofia", "owner of sales and finance"),
    ("lena", "owner of loyalty"),
    ("stan", "owner of store systems"),
    ("ivy", "integration engineer, author of the sync jobs"),
    ("sam", "security"),
    ("rita", "release manager"),
    ("carl", "consumer, web shop"),
    ("admin", "platform administrator"),
)


def document() -> dict[str, Any]:
    """The blueprint with `${NAME}` replaced from the environment; an unset name becomes an address that answers nobody."""
    text = (SEED / "retailer.yaml").read_text()
    filled = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], "http://127.0.0.1:9"), text)
    loaded: dict[str, Any] = yaml.load(filled, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - CSafeLoader is the safe loader in C
    return loaded
