"""How the web server is started, in one place: for `make up`, the measurements and the campaign. The image says the
same (`deploy/Dockerfile`; a test compares them)."""

from __future__ import annotations

APPLICATION = "portal.asgi:application"
# A connection counts for backpressure as long as it is open, whatever it does; the front limits what is under way.
OPTIONS = (
    "--interface asgi --no-ws --backpressure 8192 --backlog 2048 --http1-header-read-timeout 30000 --log-level error"
)


def arguments(port: int, *, host: str = "127.0.0.1", workers: int = 1) -> list[str]:
    """What follows the interpreter."""
    return [
        "-m",
        "granian",
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        str(workers),
        *OPTIONS.split(),
        APPLICATION,
    ]
