"""How values stand in the cache: as JSON, so that a person who writes to Redis hands over data and never code."""

from __future__ import annotations

import json
import logging
from typing import Any

log = logging.getLogger(__name__)


class JsonCacheSerializer:
    """For Django's Redis cache (`OPTIONS["serializer"]`). What cannot be read counts as not there."""

    def dumps(self, value: Any) -> bytes | int:
        # A plain number stays one for Redis, which can then count it.
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except ValueError:
            log.warning("a value in the cache is no JSON and was left out: somebody else writes to this Redis")
            return None
