"""Contracts: the parsed document, the comparison of two of them, the original bytes."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from catalog.domain import contract_engine
from catalog.domain.contract_engine import DEFAULT_POLICY, ComparisonPolicy, ComparisonReport, Document
from catalog.models import Contract
from kernel.errors import NotFound


def _unknown(digest: str) -> NotFound:
    return NotFound("contract.unknown", f"There is no contract with the digest {digest[:80]}.")


@lru_cache(maxsize=48)
def _document(digest: str) -> Document:
    canonical = Contract.objects.filter(digest=digest).values_list("canonical", flat=True).first()
    if canonical is None:
        raise _unknown(digest)
    return contract_engine.from_canonical(bytes(canonical), name=digest)


def document(digest: str) -> Document:
    """The contract in normal form. A contract never changes, so the last 48 are kept. Raises NotFound
    `contract.unknown`."""
    return _document(digest)


@lru_cache(maxsize=64)
def _compare(old_digest: str, new_digest: str, as_of: date, policy: ComparisonPolicy) -> ComparisonReport:
    return contract_engine.compare(_document(old_digest), _document(new_digest), as_of=as_of, policy=policy)


def compare(
    old_digest: str, new_digest: str, *, as_of: date, policy: ComparisonPolicy | None = None
) -> ComparisonReport:
    """Who is hurt by going from one contract to the other. Same digests, day and policy give the same answer, so the
    last are kept.

    Raises NotFound `contract.unknown`, and Invalid `contract.family` where the two have nothing in common.
    """
    chosen = policy or DEFAULT_POLICY
    try:
        hash(chosen)
    except TypeError:
        return contract_engine.compare(_document(old_digest), _document(new_digest), as_of=as_of, policy=chosen)
    return _compare(old_digest, new_digest, as_of, chosen)


def original(digest: str) -> tuple[bytes, str]:
    """The bytes as they were uploaded, and their media type. Raises NotFound."""
    row = Contract.objects.filter(digest=digest).values_list("original", "media_type").first()
    if row is None:
        raise _unknown(digest)
    return bytes(row[0]), row[1]


def exists(digest: str) -> bool:
    return Contract.objects.filter(digest=digest).exists()
