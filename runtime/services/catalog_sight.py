"""The catalog as one person sees it, for checks of what that person hands in: what they may not see is what is not
there, in the same words, API versions and the content of contracts alike."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from catalog.domain.facts import VersionFacts
from catalog.selectors import apis, contracts, versions
from kernel.errors import Invalid, NotFound
from kernel.viewer import SYSTEM, Viewer


class ContractSide(Protocol):
    """What a source or a target of a manifest says of a contract."""

    @property
    def api(self) -> str | None: ...
    @property
    def contract(self) -> str | None: ...
    @property
    def schema(self) -> str | None: ...


class CatalogSight:
    """Asked once about each thing, for the time of one check."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.version = cache(self._version)
        self.sees_contract = cache(self._sees_contract)

    def _version(self, reference: str) -> VersionFacts | None:
        """The version that `<api slug>@<label>` names; None where the viewer sees none of that name."""
        if not self.viewer.sees_everything and not apis.sees_version(reference, viewer=self.viewer):
            return None
        return versions.by_reference(reference)

    def _sees_contract(self, digest: str) -> bool:
        """Whether there is such a contract for the viewer."""
        if not self.viewer.sees_everything and not apis.may_see_contract(digest, viewer=self.viewer):
            return False
        return contracts.exists(digest)

    def schema_of(self, side: ContractSide) -> tuple[Any, Any]:
        """(schema, document) of one message at a side with a contract.

        Raises NotFound `contract.unknown`, and Invalid `contract.no_schema` where the pointer leads nowhere.
        """
        digest = side.contract or ""
        if not self.sees_contract(digest):
            raise NotFound("contract.unknown", f"There is no contract with the digest {digest[:80]}.")
        document = contracts.document(digest)
        schema = document.resolve("#" + (side.schema or ""))
        if not isinstance(schema, Mapping):
            said = f"the contract of {side.api} has no schema at {side.schema or 'its root'}"
            raise Invalid("contract.no_schema", said)
        return schema, document


def of_everything() -> CatalogSight:
    """As the product itself sees the catalog."""
    return CatalogSight(SYSTEM)
