"""Changes of APIs are checked against what is deployed: where that changes, the checks of open changes run again.

Idempotent outbox handlers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.services import checks
from runtime.selectors import pinning


def on_deployed(event: Mapping[str, Any]) -> None:
    """`runtime.deployed`, `runtime.rolled_back`, `runtime.retired` → the changes in review of the APIs that any release
    of it pins: the release that went reads their fields no more, and the one that came does."""
    for slug in pinning.apis_of(str(event["key"])):
        checks.ask_again_of_api(slug)
