"""Bytes to text: UTF-8, UTF-16 and UTF-32, with and without a byte order mark; everything else is refused."""

from __future__ import annotations

import codecs
import re

from tillgate_contracts.reading.limits import ReadingLimits, refusal, too_large

_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


def decode(data: bytes, limits: ReadingLimits) -> str:
    """Text of a contract file.

    Raises ContractError: `contract.too_large`, `contract.empty`, `contract.encoding`, `contract.binary`.
    """
    if len(data) > limits.max_bytes:
        raise too_large(len(data), limits)
    encoding = _encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refusal(
            "contract.encoding",
            f"Byte {error.start} (line {line}) is not {encoding.removesuffix('-sig').upper()}. Save the file as UTF-8.",
            line=line,
        ) from None
    except LookupError:
        raise refusal(
            "contract.encoding",
            f"The encoding {encoding!r} named in the XML declaration is unknown. Save the file as UTF-8.",
        ) from None
    if len(text) * 4 > limits.max_bytes * 8:
        raise too_large(len(text), limits)
    text = text.removeprefix("\ufeff")
    zero = text.find("\x00")
    if zero >= 0:
        line = text.count("\n", 0, zero) + 1
        raise refusal("contract.binary", f"There is a zero byte at line {line}: this is not a text file.", line=line)
    if not text.strip():
        raise refusal("contract.empty", "The file is empty: there is no contract to read.")
    return text


def _encoding(data: bytes) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    head = data[:4]
    # RFC 4627 §3: two ASCII characters come first, so the zero bytes tell the width and the order.
    if len(head) == 4:
        zeros = (head[0] == 0, head[1] == 0, head[2] == 0, head[3] == 0)
        found = {
            (True, True, True, False): "utf-32-be",
            (False, True, True, True): "utf-32-le",
            (True, False, True, False): "utf-16-be",
            (False, True, False, True): "utf-16-le",
        }.get(zeros)
        if found:
            return found
    declared = _XML_ENCODING.match(data[:200])
    if declared:
        name = declared.group(1).decode("ascii").lower()
        # A declaration of a wide encoding in a file that is plainly narrow is a leftover of a conversion.
        return "utf-8" if name.startswith(("utf-16", "utf-32", "ucs", "utf16", "utf32")) else name
    return "utf-8"
