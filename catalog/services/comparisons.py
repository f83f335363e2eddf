"""Verdicts between neighbours, computed once per pair of contracts and rule pack."""

from __future__ import annotations

from collections.abc import Iterable

from catalog.domain.contract_engine import RULE_PACK
from catalog.models import ContractComparison
from catalog.selectors import contracts, versions
from kernel import clock
from kernel.errors import DomainError


def ensure(old_digest: str, new_digest: str) -> ContractComparison:
    """The kept verdict, computed now when there is none. Contracts that cannot be compared are kept as `impossible`
    with the reason."""
    known = ContractComparison.objects.filter(old_id=old_digest, new_id=new_digest, rule_pack=RULE_PACK).first()
    if known is not None:
        return known
    today = clock.now().date()
    try:
        found = contracts.compare(old_digest, new_digest, as_of=today)
        values = {
            "verdict": found.verdict,
            "breaking": found.breaking,
            "warnings": found.warnings,
            "compatible": found.compatible,
        }
    except DomainError as error:
        values = {"verdict": "impossible", "reason": error.message[:300]}
    made, _ = ContractComparison.objects.get_or_create(
        old_id=old_digest, new_id=new_digest, rule_pack=RULE_PACK, defaults={"as_of": today, **values}
    )
    return made


def known(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], ContractComparison]:
    """What is kept already for these pairs, in one query."""
    wanted = set(pairs)
    rows = ContractComparison.objects.filter(
        rule_pack=RULE_PACK, old_id__in={o for o, _ in wanted}, new_id__in={n for _, n in wanted}
    )
    return {(r.old_id, r.new_id): r for r in rows if (r.old_id, r.new_id) in wanted}


def compare_with_neighbour(version_id: int) -> ContractComparison | None:
    """For a version that was just added; None where it is the first or has no contract."""
    facts = versions.find(version_id)
    before = versions.neighbour_before(version_id) if facts else None
    if facts is None or before is None or facts.contract_digest is None or before.contract_digest is None:
        return None
    return ensure(before.contract_digest, facts.contract_digest)
