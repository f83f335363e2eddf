"""The field-map language: what a reviewer approves is what runs.

    mapping = parse(spec)                  # all findings at once, or a Mapping
    run = compile_mapping(mapping)         # one function; run(document, correlation_id=…) -> dict
    explain(mapping), lineage(mapping)     # for the page
    diff(old, new)                         # for the change request
    check_against(mapping, source_schema, target_schema)

Pure: no Django, no database, no network. Reference: docs/reference/mapping.md.
"""

from runtime.mapping.compiler import compile_mapping, decode, encode
from runtime.mapping.errors import MappingError, MappingFinding
from runtime.mapping.explain import ExplainedField, diff, explain, lineage
from runtime.mapping.fit import check_against
from runtime.mapping.model import Mapping
from runtime.mapping.spec import parse
from runtime.mapping.uses import read_fields, written_fields

__all__ = [
    "ExplainedField",
    "Mapping",
    "MappingError",
    "MappingFinding",
    "check_against",
    "compile_mapping",
    "decode",
    "diff",
    "encode",
    "explain",
    "lineage",
    "parse",
    "read_fields",
    "written_fields",
]
