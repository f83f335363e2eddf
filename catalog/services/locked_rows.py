"""Rows that a use case is about to change, locked until its transaction ends."""

from __future__ import annotations

from catalog.models import Api, ApiVersion, Application
from catalog.selectors import versions
from kernel.errors import NotFound


def locked_api(slug: str) -> Api:
    """The API's row. Raises NotFound `api.unknown`."""
    found = Api.objects.select_for_update(of=("self",)).filter(slug=slug).first() if "\x00" not in slug else None
    if found is None:
        raise NotFound("api.unknown", f"There is no API {slug[:100]!r}.")
    return found


def locked_version(reference: str) -> ApiVersion:
    """The version's row, with its API. Raises NotFound `version.unknown`."""
    slug, label = versions.split_reference(reference)
    rows = ApiVersion.objects.select_for_update(of=("self",)).select_related("api__owner_team", "successor__api")
    found = rows.filter(api__slug=slug, label=label).first() if "\x00" not in reference else None
    if found is None:
        raise NotFound("version.unknown", f"There is no API version {reference[:200]!r}.")
    return found


def locked_application(key: str) -> Application:
    """The application's row, so that what is recorded of it is recorded one call after another; who only refers to it
    does not wait. Raises NotFound `application.unknown`."""
    rows = Application.objects.select_for_update(no_key=True, of=("self",))
    found = rows.filter(key=key, retired_at=None).first() if "\x00" not in key else None
    if found is None:
        raise NotFound("application.unknown", f"There is no application {key[:100]!r}.")
    return found
