"""Results for people and machines: text, JSON, JUnit, SARIF 2.1.0 and Markdown."""

from __future__ import annotations

from collections.abc import Callable

from catalog.contracts.report.json_report import to_json
from catalog.contracts.report.junit import to_junit
from catalog.contracts.report.markdown import to_markdown
from catalog.contracts.report.result import Item, Result, RuleText
from catalog.contracts.report.sarif import to_sarif
from catalog.contracts.report.text import to_text

RENDERERS: dict[str, Callable[[Result], str]] = {
    "text": to_text,
    "json": to_json,
    "junit": to_junit,
    "sarif": to_sarif,
    "markdown": to_markdown,
}
"""By the word of `--format`."""

__all__ = ["RENDERERS", "Item", "Result", "RuleText", "to_json", "to_junit", "to_markdown", "to_sarif", "to_text"]
