"""Faults of connections in words: what is wrong, and what a person does about it."""

from __future__ import annotations

from dataclasses import dataclass

_WORDS = {
    "credentials": "credentials",
    "address": "address",
    "redirect": "redirect",
    "certificate": "certificate",
    "secret": "missing secret",
    "name": "host name",
    "settings": "settings",
}
_TO_DO = {
    "credentials": (
        "Check {secret}, and at {system} whether the account is locked and may make this call. A changed file is read "
        "anew by itself; a changed environment variable needs a restart of the workers."
    ),
    "address": (
        "Check {address} in the catalog and the path in the manifest. A corrected manifest goes out as a new release."
    ),
    "redirect": (
        "{system} leads elsewhere: usually to a sign-in page or to a new address. Check {address} in the catalog, "
        "{secret}, and the path in the manifest."
    ),
    "certificate": (
        "Have the certificate of {system} renewed, or make its authority known to the workers. Check too that "
        "{address} in the catalog names the right host."
    ),
    "secret": "Set {secret} on the workers. A file is read anew by itself; an environment variable needs a restart.",
    "name": "Check the host name in {address} in the catalog, and the DNS of the workers.",
    "settings": "Correct the connection in the manifest and deploy the new release, or {address} in the catalog.",
}


_TO_ASK = (
    "Messages are sent as before; those without an answer are asked about in vain. Check 'lookup' of the connection "
    "and 'ask_by' of the target in the manifest, and whether the account may ask at {system}. The corrected release "
    "asks about them by itself; until then a person can look there and decide."
)


@dataclass(frozen=True, slots=True)
class FaultyConnection:
    """Where a fault was met: the names of the system, of its secret and its address, each "" where unknown."""

    system: str
    environment: str
    secret: str = ""
    address: str = ""


def kind_words(kind: str) -> str:
    return _WORDS.get(kind, kind)


def title(kind: str, detail: str, *, question: bool = False) -> str:
    """ "Connection fault: credentials (401 Unauthorized)", or of the question about what was sent: "Fault of the
    question: address (404)"."""
    said = detail.split(". ")[0]  # what follows says what to do, which `to_do` says better
    short = said if len(said) <= 120 else said[:119] + "…"
    said = "Fault of the question" if question else "Connection fault"
    return f"{said}: {kind_words(kind)}" + (f" ({short.rstrip('.')})" if short else "")


def to_do(kind: str, where: FaultyConnection, *, question: bool = False) -> str:
    """What a person does. Afterwards the next probe, or question, goes out by itself."""
    if question:
        return _TO_ASK.format(system=where.system)
    words = _TO_DO.get(kind, "Check the connection to {system}.")
    secret = f"the secret {where.secret} of {where.system}" if where.secret else f"the secret of {where.system}"
    missing = f"the address of {where.system} for {where.environment}"
    address = f"the address {where.address}" if where.address else missing
    return words.format(system=where.system, secret=secret, address=address)


def run_error(kind: str, detail: str, where: FaultyConnection) -> str:
    """The reason of a run that could not read its source."""
    said = title(kind, detail).replace("Connection fault", f"Connection fault of {where.system}", 1)
    return f"{said}. {to_do(kind, where)}"
