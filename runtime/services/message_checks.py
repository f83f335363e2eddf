"""What is asked of one message before it is stored, whether it is pushed to the product or read from a source.

A message that fails a check is kept as a rejected message, in the transaction that moves past it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from catalog.domain.contract_engine import UnusableSchema, schema_validator
from catalog.selectors import contracts
from kernel.errors import Conflict
from runtime.connectors.acceptance import Acceptance, compile_acceptance
from runtime.domain import retention
from runtime.domain.kept_cases import KEPT_A_DAY
from runtime.domain.manifest import Manifest, ManifestSource
from runtime.domain.odata_schemas import ROOT, AskedFor, tree_as_read
from runtime.domain.storable import storable_text
from runtime.ledger import sql
from runtime.ledger.append import IncomingMessage
from runtime.ledger.connections import Connection
from runtime.ledger.quarantine import fingerprint
from runtime.ledger.streams import StreamRef
from runtime.services.asked_of_services import asked_for

KEY_LENGTH = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
RAW_LENGTH = 200_000  # bytes of a rejected message that are kept
AT_ONCE = 500  # rejected messages of one statement
RECORD_REJECTED = sql.read("record_rejected", kept=str(KEPT_A_DAY))
_COUNT_REJECTED = """
update runtime_run
   set rejected_count = rejected_count + %s, rejected_again = rejected_again + %s, read = read + %s
 where id = %s"""


class Rejection(NamedTuple):
    """A message that is not stored. `reason_class` is `contract`, `key`, `version`, `too_old` or
    `unreadable`. `origin` tells apart what came without any content, or of which only the beginning is there (`cut`).
    `after` is the number of messages that passed before it, where that is known.
    """

    key: str
    reason_class: str
    reason: str
    payload: bytes
    origin: str = ""
    after: int | None = None
    cut: bool = False

    @property
    def digest(self) -> str:
        """By which it is known when it comes again. Of what was cut it is never that of the text that is kept."""
        if self.payload and not self.cut:
            return payload_digest(self.payload)
        return payload_digest(f"{self.origin} {self.reason}".encode("utf-8", "replace") + self.payload)


def came_last(rejected: Sequence[Rejection], items: Sequence[IncomingMessage], prefix: str) -> list[bool]:
    """Of each rejected message, whether everything of its key that is stored with it came before it. False where that
    is not known."""
    if not any(one.after for one in rejected):
        return [False] * len(rejected)
    last = {item.key: number for number, item in enumerate(items)}
    return [one.after is not None and last.get(prefix + one.key, len(items)) < one.after for one in rejected]


def too_old(item: IncomingMessage, stream: StreamRef) -> Rejection:
    """Of a fact that the ledger did not take because its key may have been forgotten."""
    day = retention.business_date(item.payload) or ""
    reason = retention.TOO_OLD.format(day=day, since=stream.known_since)
    return Rejection(item.key, "too_old", reason, item.payload)


class ContractChecks:
    """The contract that a source pins and the schema of the integration's event, compiled.

    False when there is neither.
    """

    __slots__ = ("_tests", "_validators")

    def __init__(self, manifest: Manifest, source: ManifestSource) -> None:
        given = (_contract_validator(source), _event_validator(manifest))
        self._validators = [validator for validator in given if validator is not None]
        self._tests = [validator.is_valid for validator in self._validators]

    def __bool__(self) -> bool:
        return bool(self._tests)

    def problem(self, document: Any) -> str:
        """The first thing wrong with a document, with its place; an empty string when it fits."""
        found = self.first_problem(document)
        return found[1] if found else ""

    def first_problem(self, document: Any) -> tuple[str, str] | None:
        """(JSON Pointer, sentence with the place) of the first thing wrong with a document; None when it fits."""
        for number, fits in enumerate(self._tests):
            if not fits(document):
                error = next(iter(self._validators[number].iter_errors(document)))
                said = f"{'/'.join(map(str, error.instance_path)) or 'the document'}: {error.message}"[:500]
                return "".join(f"/{escaped(str(step))}" for step in error.instance_path), said
        return None


def escaped(step: str) -> str:
    """One step of a JSON Pointer (RFC 6901 §3)."""
    return step.replace("~", "~0").replace("/", "~1")


def quick_checks(manifest: Manifest, source: ManifestSource) -> list[Acceptance] | None:
    """Checks of whole batches that accept only what `ContractChecks` accepts; None where a contract has no such
    check.
    """
    found: list[Acceptance | None] = []
    if source.contract:
        found.append(_quick_contract_check(source.contract, source.schema or "", _asked_for(source)))
    if manifest.event.schema:
        found.append(compile_acceptance(manifest.event.schema))
    return None if None in found else [one for one in found if one is not None]


def usable_key(key: str) -> bool:
    """1 to KEY_LENGTH characters, without control characters (U+0000 to U+001F, U+007F to U+009F)."""
    return 0 < len(key) <= KEY_LENGTH and (key.isprintable() or not _CONTROL.search(key))


def usable_keys(keys: Sequence[str]) -> bool:
    """Whether every key of a batch is usable; looks at all of them at once."""
    text = "".join(keys)
    plain = text.isprintable() or not _CONTROL.search(text)
    return plain and "" not in keys and len(max(keys, key=len)) <= KEY_LENGTH


def store_rejected(
    conn: Connection,
    stream: StreamRef,
    run: int | None,
    source: str,
    rejected: Sequence[Rejection],
    last: Sequence[bool] = (),
) -> None:
    """Keep rejected messages, once per content, in the transaction that moves the cursor past them; of one source no
    more than KEPT_A_DAY, the rest is counted. The run counts those that were known already for themselves.

    They came when this transaction began, so before what it stores, except those that `came_last`."""
    if not rejected:
        return
    known = _by_content(source, rejected, last or [False] * len(rejected))
    new = 0
    for start in range(0, len(known), AT_ONCE):
        part = known[start : start + AT_ONCE]
        columns = {name: [getattr(row, column) for row in part] for name, column in _COLUMNS.items()}
        answer = conn.execute(
            RECORD_REJECTED, {"stream": stream.id, "run": run, "source": source, **columns}
        ).fetchone()
        new += answer[0] if answer else 0
    if run is not None:
        conn.execute(_COUNT_REJECTED, (new, len(rejected) - new, len(rejected), run))


@dataclass(slots=True)
class _Row:
    """A rejected message as it is stored, with how often it came in one batch."""

    key: str
    digest: str
    reason_class: str
    fingerprint: str
    reason: str
    raw: str
    late: bool
    seen: int = 1


_COLUMNS = {
    "keys": "key",
    "digests": "digest",
    "classes": "reason_class",
    "fingerprints": "fingerprint",
    "reasons": "reason",
    "raws": "raw",
    "seen": "seen",
    "late": "late",
}


def _by_content(source: str, rejected: Sequence[Rejection], last: Sequence[bool]) -> list[_Row]:
    rows: dict[str, _Row] = {}
    for one, late in zip(rejected, last, strict=True):
        if (known := rows.get(digest := one.digest)) is not None:
            known.seen, known.late = known.seen + 1, late
            continue
        rows[digest] = _Row(
            storable_text(one.key)[:500],
            digest,
            one.reason_class,
            fingerprint(source, one.reason_class, one.reason),
            storable_text(one.reason)[:2000],
            storable_text(one.payload[:RAW_LENGTH].decode("utf-8", "replace")),
            late,
        )
    return list(rows.values())


def payload_digest(payload: bytes) -> str:
    """What tells rejected messages of a stream apart; also says whether a stored text is the whole of what came."""
    return hashlib.blake2b(payload, digest_size=16).hexdigest()


def _contract_validator(source: ManifestSource) -> Any:
    if not source.contract:
        return None
    return _validator(source.contract, source.schema or "", _asked_for(source))


def _asked_for(source: ManifestSource) -> AskedFor | None:
    return asked_for(source, contracts.document(source.contract or "").tree)


def _event_validator(manifest: Manifest) -> Any:
    return _usable(manifest.event.schema, "the event") if manifest.event.schema else None


@lru_cache(maxsize=64)
def _validator(digest: str, pointer: str, asked: AskedFor | None) -> Any:
    tree, pointer = _what_is_read(digest, pointer, asked)
    return _usable({**tree, "$ref": f"#{pointer}"} if pointer else tree, f"the contract {digest}")


def _usable(schema: Any, whose: str) -> Any:
    """Raises Conflict `message.schema`: a manifest of before may name a schema that was fetched from elsewhere."""
    try:
        return schema_validator(schema)
    except UnusableSchema as error:
        raise Conflict("message.schema", f"The schema of {whose} cannot be used: {error}. Nothing was taken.") from None


@lru_cache(maxsize=64)
def _quick_contract_check(digest: str, pointer: str, asked: AskedFor | None) -> Acceptance | None:
    tree, pointer = _what_is_read(digest, pointer, asked)
    return compile_acceptance(tree, pointer) if isinstance(tree, Mapping) else None


def _what_is_read(digest: str, pointer: str, asked: AskedFor | None) -> tuple[Any, str]:
    """The contract, and where in it the schema of a row stands, by what is asked for."""
    document = contracts.document(digest)
    schema = document.resolve(f"#{pointer}") if asked is not None and pointer else None
    if asked is None or not isinstance(schema, Mapping):
        return document.tree, pointer
    return tree_as_read(document.tree, schema, asked), f"/components/schemas/{ROOT}"
