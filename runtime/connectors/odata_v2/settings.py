"""Settings of an OData V2 connection."""

from __future__ import annotations

from typing import Literal

from runtime.connectors.odata_settings import ODataSettings


class ODataV2Settings(ODataSettings, frozen=True, kw_only=True):
    changed_type: Literal["datetime", "datetimeoffset"] = "datetimeoffset"
