"""Bodies of requests, read to their end before anybody works on them: within a size, and within a time that grows with
what was announced. What is longer than a page lies in a file."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import IO, Any

from kernel.errors import DomainError, TooLarge
from portal.front.body_room import KeptBody

Receive = Callable[[], Awaitable[dict[str, Any]]]

SECONDS = 10.0  # for any body
BYTES_PER_SECOND = 64 * 1024  # beyond that: a store behind a thin line hands in a large batch


class BodyTooSlow(DomainError):
    """The client has not sent its body in time. RFC 9110 §15.5.9."""

    status = 408
    title = "The body did not arrive in time"


class BodyBroken(DomainError):
    """The body ended before its end: the line broke, or its length or chunks are wrong. Mostly nobody is there any more
    to be told."""

    status = 400
    title = "The body broke off"


def time_for(announced: int, *, seconds: float = SECONDS) -> float:
    """Seconds that a body of so many bytes may take."""
    return seconds + announced / BYTES_PER_SECOND


async def read(
    receive: Receive, announced: int | None, limit: int, keep: Callable[[], KeptBody], *, seconds: float = SECONDS
) -> tuple[IO[bytes], int]:
    """The body, at its beginning, and its length. `announced` is None where the client names no length.

    Raises BodyTooSlow, TooLarge beyond `limit` bytes, BodyBroken, Unavailable where there is no room to keep it.
    """
    if announced is not None and announced > limit:
        raise _too_large(limit)
    ends = asyncio.get_running_loop().time() + time_for(announced or 0, seconds=seconds)
    first, more = await _next(receive, ends)
    if not more:
        if len(first) > limit:
            raise _too_large(limit)
        return io.BytesIO(first), len(first)
    length = len(first)
    kept = keep()
    try:
        kept.add(first)
        while more:
            part, more = await _next(receive, ends)
            length += len(part)
            ends += len(part) / BYTES_PER_SECOND if announced is None else 0.0
            if length > limit:
                raise _too_large(limit)
            kept.add(part)
    except BaseException:
        kept.close()
        raise
    kept.seek(0)
    return kept, length


async def client_gone(receive: Receive) -> None:
    """Returns when the client of a request whose body was read has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _next(receive: Receive, ends: float) -> tuple[bytes, bool]:
    try:
        async with asyncio.timeout_at(ends):
            message = await receive()
    except TimeoutError:
        raise BodyTooSlow(
            "request.too_slow", "The body of this request did not arrive in time, so nothing was done. Send it again."
        ) from None
    if message["type"] == "http.disconnect":
        raise BodyBroken(
            "request.body_broken",
            "The body of this request broke off before its end, so nothing was done. Its length or its chunks are "
            "wrong, or the line broke. Send it again.",
        )
    return message.get("body", b""), message.get("more_body", False)


def _too_large(limit: int) -> TooLarge:
    most = f"{limit // 1024 // 1024} MB" if limit >= 1024 * 1024 else f"{limit // 1024} KB"
    return TooLarge("request.too_large", f"The body is larger than {most}.")
