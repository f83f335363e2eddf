"""A verdict, or the failure to get one, as text for people and in the forms that pipelines read.

Every form but text holds ASCII alone, so that no locale of a terminal or a pipe can break it.
"""

from __future__ import annotations

from collections.abc import Callable

from tillgate.exits import Failure
from tillgate.reports import annotated, junit, plain, sarif
from tillgate.reports.told import GateReport

__all__ = ["GateReport", "write", "write_failure"]

_FORMATS: dict[str, tuple[Callable[[GateReport], str], Callable[[Failure], str]]] = {
    "text": (plain.as_text, plain.text_of_failure),
    "json": (plain.as_json, plain.json_of_failure),
    "junit": (junit.as_junit, junit.junit_of_failure),
    "sarif": (sarif.as_sarif, sarif.sarif_of_failure),
    "github": (annotated.for_github, annotated.github_of_failure),
    "gitlab": (annotated.for_gitlab, annotated.gitlab_of_failure),
}


def write(form: str, told: GateReport) -> str:
    return _FORMATS[form][0](told)


def write_failure(form: str, failure: Failure) -> str:
    return _FORMATS[form][1](failure)
