"""Where answers to pipelines go, and by which names their secrets are found."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from kernel.errors import Invalid, finding

SECRET_NAMES = "TILLGATE_PIPELINE_"  # noqa: S105 - how the names of secrets begin
_REFERENCE = re.compile(rf"env:{SECRET_NAMES}[A-Z0-9_]{{1,100}}|file:[A-Za-z0-9][A-Za-z0-9._-]{{0,99}}")
_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_NETLOC = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::[0-9]{{1,5}})?")
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*")
"""What comes behind it goes below it: a step like `..` would lead the answers, and the credential, elsewhere."""


def api_url(text: str, provider: str) -> str:
    """The address below which the provider's API is, without a slash at its end. https, or plain http to this machine;
    no user, query or fragment. Raises Invalid `pipeline.connection`."""
    try:
        parts = urlsplit(text.strip().rstrip("/"))
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    local = host in ("localhost", "127.0.0.1", "::1")
    good = host and (parts.scheme == "https" or (parts.scheme == "http" and local))
    plain = _NETLOC.fullmatch(parts.netloc.lower()) and _PATH.fullmatch(parts.path)
    if not good or not plain or parts.query or parts.fragment:
        said = "an https address (http only on this machine) without user, query, fragment and steps like `..`"
        raise _wrong("/api_url", said)
    if provider == "gitlab" and not parts.path.endswith("/api/v4"):
        raise _wrong("/api_url", "the address of GitLab's API, which ends in /api/v4")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}"


def secret_reference(text: str, pointer: str) -> str:
    """The name of a secret, never the secret. Only names that are meant for pipelines: a connection must not be able to
    send any other variable or file of this server anywhere. Raises Invalid `pipeline.connection`."""
    if _REFERENCE.fullmatch(text.strip()) is None:
        said = f"env:{SECRET_NAMES}<NAME>, or file:<name> of a file in the folder PIPELINE_SECRETS"
        raise _wrong(pointer, f"the name of a secret, {said}")
    return text.strip()


def _wrong(pointer: str, wanted: str) -> Invalid:
    message = f"{pointer.strip('/')} is {wanted}."
    return Invalid("pipeline.connection", message, {"findings": [finding(pointer, message)]})
