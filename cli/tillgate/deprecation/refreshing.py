"""Keeps what the catalog says about some versions: asks every minute, and goes on with the last answer meanwhile."""

from __future__ import annotations

import http.client
import json
import logging
import os
import threading
import urllib.request
import urllib.response
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tillgate.deprecation.ending import VersionEnd, read

log = logging.getLogger("tillgate.deprecation")

MOST_BYTES: Final = 8 * 1024 * 1024


class Deprecations:
    """The versions behind these paths. `paths` gives the path under which a version answers: `{"/v2": "price-api@v2"}`;
    the longest one that is a path's beginning, segment by segment, counts.

    `start()` begins to ask, in a thread of its own; nothing that happens there reaches a request. While the catalog
    does not answer, its last answer stays in force, also over a restart where `keep_in` names a file. The token needs
    `catalog:read` and is sent to this address alone: redirects are refused.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        environment: str,
        paths: Mapping[str, str],
        refresh_seconds: float = 60.0,
        timeout: float = 10.0,
        keep_in: str | os.PathLike[str] | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"the address starts with http:// or https://, not {url!r}")
        for path, reference in paths.items():
            if not path.startswith("/") or reference.count("@") != 1:
                raise ValueError(f'paths are written {{"/v2": "price-api@v2"}}, not {{{path!r}: {reference!r}}}')
        self.url, self.token, self.environment = url.rstrip("/"), token, environment
        self.paths = {path.rstrip("/"): reference for path, reference in paths.items()}
        self.refresh_seconds, self.timeout = refresh_seconds, timeout
        self.keep_in = Path(keep_in) if keep_in else None
        self._found: dict[str, VersionEnd] = self._kept()
        self._tag = ""
        self._silent = False
        self._stop = threading.Event()
        self._opener = urllib.request.build_opener(_NoRedirect)

    def of_path(self, path: str) -> VersionEnd | None:
        """What ends below this path; None for a version that stays, or a path that was not named."""
        beginning = path.rstrip("/")
        while True:
            if beginning in self.paths:
                return self._found.get(self.paths[beginning])
            if not beginning:
                return None
            beginning = beginning.rpartition("/")[0]

    def start(self) -> Deprecations:
        """Ask now and then, until `stop()`."""
        threading.Thread(target=self._ask_on, name="tillgate-deprecations", daemon=True).start()
        return self

    def stop(self) -> None:
        self._stop.set()

    def refresh(self) -> bool:
        """Ask once. False where the catalog did not answer, and what it said before stays in force."""
        try:
            self._ask()
        except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
            if not self._silent:
                log.warning("Tillgate at %s does not answer, what it said stays: %s", self.url, error)
            self._silent = True
            return False
        self._silent = False
        return True

    def _ask_on(self) -> None:
        while True:
            self.refresh()
            if self._stop.wait(self.refresh_seconds):
                return

    def _ask(self) -> None:
        apis = sorted({reference.partition("@")[0] for reference in self.paths.values()})
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        if self._tag:
            headers["If-None-Match"] = self._tag
        asked = urllib.request.Request(
            f"{self.url}/api/v1/deprecations?{urlencode([('api', api) for api in apis])}", headers=headers
        )
        with self._opener.open(asked, timeout=self.timeout) as answer:
            if answer.status == 304:
                return
            if answer.status != 200 or answer.headers.get_content_type() != "application/json":
                raise ValueError(f"it answered {answer.status} {answer.headers.get_content_type()}")
            body, tag = answer.read(MOST_BYTES + 1), answer.headers.get("ETag", "")
        if len(body) > MOST_BYTES:
            raise ValueError(f"its answer is longer than {MOST_BYTES} bytes")
        self._found = read(json.loads(body), base_url=self.url)
        self._tag = tag
        self._keep(body)

    def _keep(self, body: bytes) -> None:
        if self.keep_in is None:
            return
        beside = self.keep_in.with_name(f".{self.keep_in.name}.{os.getpid()}")
        beside.write_bytes(body)
        beside.replace(self.keep_in)

    def _kept(self) -> dict[str, VersionEnd]:
        if self.keep_in is None or not self.keep_in.exists():
            return {}
        try:
            return read(json.loads(self.keep_in.read_bytes()), base_url=self.url)
        except (OSError, ValueError) as error:
            log.warning("%s holds no answer of Tillgate, it is passed over: %s", self.keep_in, error)
            return {}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token goes to nobody else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None

    def http_error_304(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Not changed is an answer."""
        answer = urllib.response.addinfourl(fp, headers, req.full_url, code)
        answer.msg = msg  # type: ignore[attr-defined]
        return answer


def with_headers(present: list[tuple[str, str]], ending: VersionEnd) -> list[tuple[str, str]]:
    """The headers of an answer with those of its version. What the application says itself stays."""
    said = {name.lower() for name, _ in present}
    return present + [(name, value) for name, value in ending.headers() if name == "Link" or name.lower() not in said]
