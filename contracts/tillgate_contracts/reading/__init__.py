"""Reading: bytes of a contract file to a `Document` in normal form, bounded against hostile input."""

from tillgate_contracts.reading.bundle import BUNDLE
from tillgate_contracts.reading.detect import FORMATS
from tillgate_contracts.reading.document import Document, read, read_file
from tillgate_contracts.reading.limits import DEFAULT, ReadingLimits
from tillgate_contracts.reading.pointers import (
    MISSING,
    descend,
    escape,
    fragment_tokens,
    join,
    resolve,
    split,
    unescape,
)
from tillgate_contracts.reading.references import Problem
from tillgate_contracts.reading.summary import METHODS, OperationSummary, follow

__all__ = [
    "BUNDLE",
    "DEFAULT",
    "FORMATS",
    "METHODS",
    "MISSING",
    "Document",
    "OperationSummary",
    "Problem",
    "ReadingLimits",
    "descend",
    "escape",
    "follow",
    "fragment_tokens",
    "join",
    "read",
    "read_file",
    "resolve",
    "split",
    "unescape",
]
