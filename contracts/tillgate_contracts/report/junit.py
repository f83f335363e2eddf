"""JUnit XML, as Jenkins, GitLab and GitHub test reporters read it: one test case per finding, or one that passed."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from tillgate_contracts.report.result import ReportItem, Result

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(result: Result) -> str:
    """One suite.

    Errors are failures; warnings too, when the command fails on them; the rest passes and carries its text.
    """
    names: dict[str, int] = {}
    cases = [_case(result, item, names) for item in result.sorted()]
    if not cases:
        cases = [f'    <testcase classname="contracts.{result.command}" name="no findings"/>\n']
    failures = sum(1 for item in result.items if _fails(result, item))
    head = f'tests="{len(cases)}" failures="{failures}" errors="0" skipped="0"'
    facts = "".join(
        f"      <property name={_quote(name)} value={_quote(value)}/>\n" for name, value in result.facts.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites {head}>\n  <testsuite name="contracts.{result.command}" {head}>\n'
        f'    <properties>\n{facts}      <property name="verdict" value={_quote(result.verdict)}/>\n'
        f'      <property name="rule_pack" value={_quote(result.rule_pack)}/>\n    </properties>\n'
        f"{''.join(cases)}  </testsuite>\n</testsuites>\n"
    )


def _fails(result: Result, item: ReportItem) -> bool:
    return item.severity == "error" or (item.severity == "warning" and result.fail_on_warning)


def _case(result: Result, item: ReportItem, names: dict[str, int]) -> str:
    """One test case. Its name tells it apart: readers of JUnit take cases of one name for one case."""
    name = f"{item.rule} {item.operations[0] if item.operations else item.pointer}".strip()
    if (used := names.get(name, 0)) and item.pointer:
        name = f"{name} {item.pointer}"
        used = names.get(name, 0)
    names[name] = used + 1
    name += f" ({used + 1})" if used else ""
    several = f"at {item.count:,} places" if item.count > 1 else ""
    places = [f"{item.place} {item.pointer}", *(f"{more.file} {more.pointer}" for more in item.further)]
    detail = "\n".join(part.strip() for part in (item.message, item.hint, several, *places) if part.strip())
    attributes = f"classname={_quote('contracts.' + result.command)} name={_quote(name)}"
    if item.file:
        attributes += f" file={_quote(item.file)}"
    if item.line:
        attributes += f' line="{item.line}"'
    if _fails(result, item):
        body = f"<failure type={_quote(item.rule)} message={_quote(item.message)}>{_text(detail)}</failure>"
    else:
        body = f"<system-out>{_text(detail)}</system-out>"
    return f"    <testcase {attributes}>{body}</testcase>\n"


def _text(value: str) -> str:
    return escape(_UNPRINTABLE.sub("\ufffd", value))


def _quote(value: str) -> str:
    return quoteattr(_UNPRINTABLE.sub("\ufffd", value))
