"""Settings of an OData V4 connection."""

from __future__ import annotations

from typing import Literal

from runtime.connectors.odata_settings import ODataSettings


class ODataV4Settings(ODataSettings, frozen=True, kw_only=True):
    """Beside those of both versions:

    track_changes  the service itself tracks changes (`Prefer: odata.track-changes`): they are read by its delta links,
                   and not by position; `changed` is the version of a row then, and nothing more
    csrf           SAP alone wants a token before writes
    """

    changed_type: Literal["datetimeoffset", "date", "counter"] = "datetimeoffset"
    update_method: Literal["PATCH", "PUT"] = "PATCH"
    csrf: bool = False
    track_changes: bool = False
