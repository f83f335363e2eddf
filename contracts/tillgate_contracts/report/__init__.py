"""Results for people and machines: text, JSON, JUnit, SARIF 2.1.0 and Markdown."""

from __future__ import annotations

from tillgate_contracts.report.result import ReportItem, Result, RuleText

FORMS = ("text", "json", "junit", "sarif", "markdown")
"""The words of `--format`."""


def render(result: Result, form: str) -> str:
    """The result in one of FORMS. Each form is loaded when it is asked for: a quick start matters at a prompt."""
    match form:
        case "json":
            from tillgate_contracts.report.json_report import to_json

            return to_json(result)
        case "junit":
            from tillgate_contracts.report.junit import to_junit

            return to_junit(result)
        case "sarif":
            from tillgate_contracts.report.sarif import to_sarif

            return to_sarif(result)
        case "markdown":
            from tillgate_contracts.report.markdown import to_markdown

            return to_markdown(result)
        case _:
            from tillgate_contracts.report.text import to_text

            return to_text(result)


__all__ = ["FORMS", "ReportItem", "Result", "RuleText", "render"]
