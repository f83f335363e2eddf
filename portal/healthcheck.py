"""`python -m portal.healthcheck`: asks the web server of this machine whether it is ready. The image's HEALTHCHECK.

Plain standard library, so that a check every ten seconds costs no start of the whole product.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping


def question(environment: Mapping[str, str]) -> urllib.request.Request:
    """`GET /health/ready` on this machine, under a host name that ALLOWED_HOSTS accepts; PORT is 8000 if unset."""
    host = environment.get("ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".")
    return urllib.request.Request(
        f"http://127.0.0.1:{environment.get('PORT', '8000')}/health/ready",
        headers={"Host": host if host not in {"", "*"} else "localhost"},
    )


def main() -> int:
    """0 when ready, 1 when not; the reason is printed and stands in the container's health log."""
    try:
        with urllib.request.urlopen(question(os.environ), timeout=4) as answer:  # noqa: S310
            print(answer.read().decode())
            return 0
    except urllib.error.HTTPError as error:
        print(f"not ready: {error.code} {error.read(500).decode(errors='replace')}")
    except OSError as error:
        print(f"not ready: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
