"""The question, put together from options, a question file and the lock file. Contradictions are refused."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tillgate import files, lockfile, strict_json
from tillgate.answers import DIGEST, is_far, moment
from tillgate.exits import BAD_REQUEST, Failure, clean
from tillgate.lockfile import Lock

WORDS = ("application", "version", "environment", "instance", "as_of")
LISTS = ("consumes", "provides", "integrations")
NULL = ("consumes", None)


def question(options: argparse.Namespace, lock: Lock | None) -> dict[str, Any]:
    """The question as JSON (`docs/reference/gate.md`). Raises Failure 3 with everything that is wrong with it."""
    given = _from_options(options)
    body = _merged(_from_file(options.question), given, options.question) if options.question else given
    if lock is not None:
        body = with_lock(body, lock)
    missing = [key for key in ("application", "version", "environment") if not _is_word(body.get(key))]
    if missing:
        raise Failure(BAD_REQUEST, "Say which " + ", ".join(f"--{key}" for key in missing) + " (or in --question).")
    for key in WORDS:
        if isinstance(body.get(key), str):
            body[key] = files.one_spelling(body[key].strip())
    _require_time(body, getattr(options, "what_if", True))
    return body


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _require_time(body: dict[str, Any], what_if: bool) -> None:
    """A time within the seconds that clocks differ by is now, by the clock of the gate; any other one is a what-if."""
    as_of = body.pop("as_of", None)
    if as_of is None:
        return
    if moment(as_of) is None:
        raise Failure(
            BAD_REQUEST, "--as-of is a time with its zone, such as 2026-11-23T12:00:00Z; is a variable unset?"
        )
    if not is_far(as_of, datetime.now(UTC)):
        return
    if not what_if:
        raise Failure(
            BAD_REQUEST,
            f"--as-of {as_of} is not now: that is a what-if, and nothing may go live on it. Leave it out to ask about "
            "now, or say --what-if to ask all the same.",
        )
    body["as_of"] = as_of


def _from_options(options: argparse.Namespace) -> dict[str, Any]:
    body: dict[str, Any] = {key: getattr(options, key, None) for key in WORDS}
    body = {key: value for key, value in body.items() if value is not None}
    if options.consumes_nothing and options.consumes:
        raise Failure(BAD_REQUEST, "--consumes-nothing and --consumes contradict each other.")
    if options.consumes_nothing:
        body["consumes"] = []
    for key, items in (("consumes", options.consumes), ("provides", options.provides)):
        if items:
            body[key] = [version_of(f"--{key}", item) for item in items]
            _require_once(f"--{key}", [reference(entry) for entry in body[key]])
    if options.integration:
        pairs = [digest_pair("--integration", item) for item in options.integration]
        _require_once("--integration", [key for key, _ in pairs])
        body["integrations"] = [{"key": key, "digest": digest} for key, digest in pairs]
    return body


def _require_once(option: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Failure(BAD_REQUEST, f"{option} names {', '.join(map(clean, twice))} twice.")


def version_of(option: str, item: str) -> str | dict[str, str]:
    """`api@v2` or `api@v2=sha256:…`. A digest that is announced and empty is an unset variable, never "no digest"."""
    name, equals, _ = item.partition("=")
    if not equals:
        return name
    name, digest = digest_pair(option, item)
    return {"version": name, "contract_digest": digest}


def digest_pair(option: str, item: str) -> tuple[str, str]:
    name, _, digest = item.partition("=")
    if not DIGEST.fullmatch(digest):
        said = "it is empty; is a variable unset?" if not digest else f"not {clean(digest)!r}."
        raise Failure(
            BAD_REQUEST, f"{option} {clean(item)}: after = stands a digest, sha256: and 64 hex digits; {said}"
        )
    return name, digest


def reference(entry: object) -> str:
    """The API version that an entry names; empty for an entry that the gate will refuse."""
    named = entry.get("version") if isinstance(entry, dict) else entry
    return named if isinstance(named, str) else ""


def _from_file(given: str) -> dict[str, Any]:
    try:
        text = files.bounded(sys.stdin.buffer) if given == "-" else files.read(given)
        loaded = strict_json.loads(text)
    except (OSError, ValueError) as error:
        raise Failure(BAD_REQUEST, f"The question {given} cannot be read: {clean(error)}") from None
    if not isinstance(loaded, dict):
        raise Failure(BAD_REQUEST, f"The question {given} is not a JSON object.")
    wrong = _wrong_lists(loaded)
    if wrong:
        raise Failure(BAD_REQUEST, f"The question {given} cannot be read: " + "; ".join(wrong) + ".")
    return loaded


def _wrong_lists(body: dict[str, Any]) -> list[str]:
    """What the lock file must not cover up. Only `consumes` may be null: then nothing is said about it."""
    wrong = [
        f"{key} is no list" for key in LISTS if not isinstance(body.get(key, []), list) and (key, body[key]) != NULL
    ]
    return wrong or [
        f"/{key}/{index} is no entry that the gate knows"
        for key in LISTS
        for index, e in enumerate(body.get(key) or ())
        if not _is_entry(key, e)
    ]


def _is_entry(key: str, entry: object) -> bool:
    if isinstance(entry, str):
        return key != "integrations"
    name, digest = ("key", "digest") if key == "integrations" else ("version", "contract_digest")
    if not isinstance(entry, dict) or not isinstance(entry.get(name), str) or set(entry) - {name, digest}:
        return False
    return bool(DIGEST.fullmatch(str(entry.get(digest)))) if digest in entry else key != "integrations"


def _merged(body: dict[str, Any], given: dict[str, Any], name: str) -> dict[str, Any]:
    """The file's question with what the options add; the same thing said twice in two ways is refused."""
    for key, value in given.items():
        if body.get(key) is not None and _comparable(body[key]) != _comparable(value):
            raise Failure(BAD_REQUEST, f"The options and {name} contradict each other about {key}; say it once.")
    return body | {key: value for key, value in given.items() if body.get(key) is None}


def _comparable(value: object) -> object:
    return sorted(map(repr, value)) if isinstance(value, list) else value


# -- the lock file -------------------------------------------------------------------------------------------------
def lock_of(options: argparse.Namespace) -> Lock | None:
    """The lock file that takes part: the one that is named, or the one that lies here. Raises Failure 3 when stale."""
    if options.no_lock:
        if options.lock:
            raise Failure(BAD_REQUEST, "--lock and --no-lock contradict each other.")
        return None
    path = Path(options.lock or lockfile.NAME)
    if not options.lock and not path.exists() and not path.is_symlink():  # a link to nowhere is a lock that is lost
        return None
    lock = lockfile.load(path)
    stale = lock.stale()
    if stale:
        told = "".join(f"\n  - {line}" for line in stale)
        raise Failure(BAD_REQUEST, f"{path} is stale; run `tillgate lock` and look at what changed:{told}")
    return lock


def with_lock(body: dict[str, Any], lock: Lock) -> dict[str, Any]:
    """The question with the lock's digests. What the options name must be what is locked."""
    made = dict(body)
    for key, entries in (("consumes", lock.consumes), ("provides", lock.provides)):
        if entries is None:
            continue
        locked = {entry.version: entry.contract_digest for entry in entries}
        if made.get(key) is not None:
            _require_same(lock, key, {reference(e): _digest_in(e) for e in made[key]}, locked)
        if locked or made.get(key) is not None or key == "consumes":
            made[key] = [{"version": version, "contract_digest": digest} for version, digest in locked.items()]
    if lock.integrations:
        if made.get("integrations") is not None:
            given = {str(e.get("key")): e.get("digest") for e in made["integrations"] if isinstance(e, dict)}
            _require_same(lock, "integrations", given, lock.integrations)
        made["integrations"] = [{"key": key, "digest": digest} for key, digest in lock.integrations.items()]
    return made


def _digest_in(entry: object) -> str | None:
    digest = entry.get("contract_digest") if isinstance(entry, dict) else None
    return digest or None


def _require_same(lock: Lock, key: str, given: dict[str, Any], locked: Any) -> None:
    if set(given) != set(locked):
        said = ", ".join(sorted(map(clean, set(given) ^ set(locked))))
        raise Failure(
            BAD_REQUEST,
            f"{lock.path} and the question differ in what it {key}: {said}. Run `tillgate lock`, or --no-lock.",
        )
    other = sorted(name for name, digest in given.items() if digest and digest != locked[name])
    if other:
        raise Failure(
            BAD_REQUEST, f"{lock.path} holds another digest of {', '.join(map(clean, other))} than the question."
        )


def names(body: dict[str, Any]) -> list[str]:
    """Everything that the question names: API versions and keys of integrations."""
    found = [reference(e) for key in ("consumes", "provides") for e in body.get(key) or ()]
    found += [str(e.get("key")) for e in body.get("integrations") or () if isinstance(e, dict)]
    return list(dict.fromkeys(filter(None, found)))


def places(names: Iterable[str], named: Iterable[Path]) -> dict[str, tuple[str, int]]:
    """Where each thing of the question stands: its reference to a file and a line, for reports that want a place."""
    found: dict[str, tuple[str, int]] = {}
    for file in named:
        try:
            lines = files.read_text(file).splitlines()
        except (OSError, ValueError):
            continue
        for number, line in enumerate(lines, 1):
            for name in names:
                if name and name not in found and f'"{name}"' in line:
                    found[name] = (file.as_posix(), number)
    return found
