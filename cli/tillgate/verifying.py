"""`tillgate verify`: is this statement genuine, for us, about this, and still of use? Offline.

Signature and envelope are judged by `securesystemslib`, an extra of this package; what the statement must say is judged
here. Whatever is not as it has to be ends with 4: only a statement that passes everything ends with its word.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tillgate import files, sending, strict_json
from tillgate.answers import DIGEST, moment, newer_engine
from tillgate.exits import BAD_REQUEST, CODES, NO_VERDICT, Failure, clean
from tillgate.options import CommandParser, Once

LIBRARY = "securesystemslib"
_MODULES = ("dsse", "signer", "exceptions")
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/verification_summary/v1"
PAYLOAD = "application/vnd.in-toto+json"
KEYS_SCHEMA = "tillgate.keys/1"
CLOCKS = timedelta(minutes=5)
ABOUT = ("application", "version", "environment", "instance")
ASKERS = ("anybody", "own-team", "own-pipeline")
KINDS = {"person": "a person", "service": "a service account", "agent": "an agent"}
DESCRIPTION = (
    "Check a signed statement offline: signature, audience, expiry, subject and word. Exit codes: 0 allow, 1 deny, "
    "2 unknown, 3 a wrong option or file name, 4 the statement is not genuine, not for this audience, not about this, "
    "or not valid at this time."
)


def run(arguments: list[str]) -> int:
    """Raises Failure 3 or 4."""
    given = _parser().parse_args(arguments)
    digests = _subjects(given)
    at = _judged_at(given)
    try:
        statement = _signed(_read(given.statement), _read(given.keys), given.verifier)
        own = _require_form(statement, given.verifier)
        _require_use(own, given.audience, at)
        _require_subject(statement, own, digests, given)
        _require_policy(statement, own)
        asker = _require_asker(own, given.asked_by or ASKERS[0])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not(f"it cannot be read ({type(error).__name__}: {clean(error, 200)})") from None
    sending.write(
        f"{own['word']}: {own['kind']} {own['id']} for {clean(own['audience'])}, "
        f"{asker}valid until {own['expires']}, signed by {clean(statement['predicate']['verifier']['id'])}"
    )
    return CODES[own["word"]]


def _parser() -> CommandParser:
    parser = CommandParser(prog="tillgate verify", description=DESCRIPTION, allow_abbrev=False)
    option, once = parser.add_argument, partial(parser.add_argument, action=Once)
    option("statement", metavar="STATEMENT", help="the file with the signed statement")
    option(
        "--keys",
        action=Once,
        required=True,
        metavar="FILE",
        help="the public keys, from /.well-known/tillgate-keys.json",
    )
    once("--audience", required=True, help="for whom the statement has to be")
    option(
        "--verifier",
        action=Once,
        metavar="URL",
        help="the Tillgate that has to have made it; as the keys file says if left out",
    )
    option(
        "--subject", action="append", default=[], metavar="DIGEST", help="sha256:… of what it has to be about (repeat)"
    )
    option(
        "--subject-file", action="append", default=[], metavar="FILE", help="a file that it has to be about (repeat)"
    )
    for name in ABOUT[:3]:
        once(f"--{name}", help=f"the {name} that it has to be about")
    once("--instance", help="the instance that it has to be about; the whole environment if left out")
    once(
        "--asked-by",
        choices=ASKERS,
        help="whose question it has to be: anybody's if left out, or one of the application's own team or pipeline",
    )
    once("--at", metavar="TIME", help="judge as of this time instead of now, with --what-if")
    option("--what-if", action="store_true", help="let --at be another time than now; nothing may go live on that")
    return parser


def _judged_at(given: argparse.Namespace) -> datetime:
    """Now, or a time that was said to be none: an expired statement passes as of yesterday."""
    now = datetime.now(UTC)
    at = now if given.at is None else moment(given.at)
    if at is None:
        raise Failure(BAD_REQUEST, "--at is a time with its zone, such as 2026-11-23T12:00:00Z; is a variable unset?")
    if not given.what_if and abs(at - now) > CLOCKS:
        raise Failure(
            BAD_REQUEST,
            f"--at {clean(given.at)} is not now: that is a what-if, and nothing may go live on it. Leave it out, or "
            "say --what-if to judge as of then all the same.",
        )
    return at


def _subjects(given: argparse.Namespace) -> list[str]:
    """The digests that the statement has to have among its subjects. Raises Failure 3 when nothing is named at all."""
    wrong = [text for text in given.subject if not DIGEST.fullmatch(text)]
    if wrong:
        raise Failure(BAD_REQUEST, f"--subject is sha256: and 64 hex digits, not {clean(wrong[0])!r}.")
    empty = [name for name in (*ABOUT[:3], "audience", "verifier") if getattr(given, name) == ""]
    if empty:
        raise Failure(BAD_REQUEST, f"--{empty[0]} is empty; is a variable unset?")
    found = [text.removeprefix("sha256:") for text in given.subject]
    for name in given.subject_file:
        try:
            found.append(hashlib.sha256(Path(name).read_bytes()).hexdigest())
        except OSError as error:
            raise Failure(BAD_REQUEST, f"--subject-file {name} cannot be read: {error.strerror or error}") from None
    if not found and not (given.application and given.version and given.environment):
        raise Failure(
            BAD_REQUEST,
            "Say what the statement has to be about: --subject, --subject-file, or --application, --version and "
            "--environment. A genuine statement about something else proves nothing.",
        )
    return found


def _read(name: str) -> Any:
    try:
        data = files.read(name)
    except OSError as error:
        raise Failure(BAD_REQUEST, f"{name} cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise _not(f"{name} is larger than {files.LARGEST} bytes") from None
    return strict_json.loads(data)


def _not(reason: str) -> Failure:
    return Failure(NO_VERDICT, f"The statement does not pass: {reason}.")


def _signed(envelope: Any, keys: Any, verifier: str | None) -> Any:
    """The payload, if a published key of the verifier signed exactly these bytes as an in-toto statement."""
    dsse, signers, errors = _library()
    if set(envelope) != {"payload", "payloadType", "signatures"} or len(envelope["signatures"]) != 1:
        raise _not("it is no envelope with exactly one signature")
    if set(envelope["signatures"][0]) != {"keyid", "sig"}:
        raise _not("its signature has other parts than keyid and sig")
    for text in (envelope["payload"], envelope["signatures"][0]["sig"]):
        if base64.b64encode(base64.b64decode(text, validate=True)).decode() != text:
            raise _not("its base64 is not the plain one")
    if envelope["payloadType"] != PAYLOAD:
        raise _not("its payload is no in-toto statement")
    if keys["schema"] != KEYS_SCHEMA or (verifier and keys["verifier"] != verifier):
        raise _not("the keys are not those of this verifier")
    known = [
        signers.SSlibKey.from_dict(key["keyid"], {k: v for k, v in key.items() if k != "keyid"}) for key in keys["keys"]
    ]
    known = [key for key in known if (key.keytype, key.scheme) == ("ed25519", "ed25519")]
    logging.getLogger(LIBRARY).setLevel(logging.CRITICAL)
    payload = base64.b64decode(envelope["payload"], validate=True)
    try:
        dsse.Envelope.from_dict({**envelope, "signatures": [dict(envelope["signatures"][0])]}).verify(known, 1)
    except (errors.VerificationError, errors.UnverifiedSignatureError, ValueError):
        raise _not("no published key made its signature") from None
    statement = strict_json.loads(payload)
    if statement["predicate"]["verifier"]["id"] != keys["verifier"]:
        raise _not("it names another verifier than the keys")
    return statement


def _library() -> tuple[Any, Any, Any]:
    try:
        dsse, signer, exceptions = (importlib.import_module(f"{LIBRARY}.{name}") for name in _MODULES)
        return dsse, signer, exceptions
    except ModuleNotFoundError:
        said = 'verify needs a library for signatures; install it with: pip install "tillgate[verify]"'
        raise Failure(BAD_REQUEST, said) from None


def _require_form(statement: Any, verifier: str | None) -> Mapping[str, Any]:
    if statement["_type"] != STATEMENT or statement["predicateType"] != PREDICATE:
        raise _not("it is no verification summary of SLSA in an in-toto statement")
    predicate = statement["predicate"]
    if verifier and predicate["verifier"]["id"] != verifier:
        raise _not(f"it was made by {clean(predicate['verifier']['id'])}")
    own: Mapping[str, Any] = predicate["tillgate"]
    if own["word"] not in list(CODES):
        raise _not("its word is none of allow, deny and unknown")
    if predicate["verificationResult"] != ("PASSED" if own["word"] == "allow" else "FAILED"):
        raise _not("its result and its word contradict each other")
    if own["word"] == "allow" and own["codes"] != []:
        raise _not(f"it says allow, and gives reasons against it: {clean(own['codes'])}")
    if own.get("hypothetical", False) is not False:
        raise _not("it is about a what-if")
    return own


def _require_use(own: Mapping[str, Any], audience: str, at: datetime) -> None:
    if own["audience"] != audience:
        raise _not(f"it is for {clean(own['audience'])!r}, not for {clean(audience)!r}")
    begins, ends = moment(own["not_before"]), moment(own["expires"])
    if begins is None or ends is None:
        raise _not("it does not say from when until when it is valid")
    if at < begins - CLOCKS:
        raise _not(f"it is valid from {own['not_before']} on; it is {at.isoformat(timespec='seconds')}")
    if at >= ends:
        raise _not(f"it expired at {own['expires']}; it is {at.isoformat(timespec='seconds')}")


def _require_subject(statement: Any, own: Mapping[str, Any], digests: list[str], given: argparse.Namespace) -> None:
    said = {subject["digest"]["sha256"] for subject in statement["subject"]}
    for digest in digests:
        if digest not in said:
            raise _not(f"sha256:{digest} is not among its subjects")
    for name in ABOUT:
        wanted = getattr(given, name)
        if wanted is not None and own.get(name) != wanted:
            raise _not(f"its {name} is {clean(own.get(name))!r}, not {clean(wanted)!r}")
    if given.instance is None and own.get("instance", "") != "":
        raise _not(f"it is about instance {clean(own['instance'])!r} alone; say --instance if that is meant")


def _require_policy(statement: Any, own: Mapping[str, Any]) -> None:
    """A verdict is reached by a policy. Newer rules than this command line knows are believed, and it is said."""
    if own["kind"] != "verdict":
        return
    policy = statement["predicate"]["policy"].get("digest", {}).get("sha256")
    if own["word"] == "allow" and not DIGEST.fullmatch(f"sha256:{policy}"):
        raise _not("it says allow by no policy")
    if newer := newer_engine(own["engine"]):
        sending.warn(newer)


def _require_asker(own: Mapping[str, Any], wanted: str) -> str:
    """Who asked, as a part of the sentence. Anybody may ask about an application, and declares what the gate judges;
    statements of before do not say who it was, and those about approvals answer nobody's question."""
    if own["kind"] != "verdict" or "asked_by" not in own:
        if wanted != ASKERS[0]:
            raise _not("it does not say who asked")
        return ""
    account, kind, own_team = (own["asked_by"][name] for name in ("account", "kind", "own_team"))
    if not (isinstance(account, str) and account) or kind not in list(KINDS) or type(own_team) is not bool:
        raise _not("it says badly who asked")
    whose = "the application's team" if own_team else "another team"
    who = f"{clean(account)} ({KINDS[kind]} of {whose})"
    if wanted != ASKERS[0] and not (own_team and (wanted == ASKERS[1] or kind == "service")):
        raise _not(f"it answers {who}, and the question has to be of its {wanted.replace('-', ' ')}")
    return f"asked by {who}, "
