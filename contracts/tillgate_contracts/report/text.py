"""Text for a terminal: verdict first, worst findings first, one block per finding."""

from __future__ import annotations

import textwrap

from tillgate_contracts.report.result import Result

_TITLES = {"error": "BREAKING", "warning": "WARNING", "note": "info"}
_SHOWN_OPERATIONS = 3


def to_text(result: Result) -> str:
    """Plain text, 110 columns, no colours."""
    lines = [f"{result.command}: {result.verdict}"]
    lines += [f"  {name}: {value}" for name, value in result.facts.items() if value]
    counts = ", ".join(
        f"{result.count(severity)} {_word(result, severity)}" for severity in ("error", "warning", "note")
    )
    lines += [f"  findings: {counts} (rules {result.rule_pack})", ""]
    for item in result.sorted_for_people():
        head = f"{_title(result, item.severity)} {item.rule}"
        where = " ".join(part for part in (item.place, item.pointer) if part)
        lines.append(head)
        lines += textwrap.wrap(
            item.message, 106, initial_indent="    ", subsequent_indent="    ", break_long_words=False
        )
        if where:
            lines.append(f"    at {where}")
        if result.command == "lint" and item.count > 1:
            lines += [
                f"    at {more.file}{f':{more.line}' if more.line else ''} {more.pointer}" for more in item.further
            ]
            lines.append(f"    and at {item.count - 1 - len(item.further):,} more: --all lists each")
        if item.operations:
            shown = ", ".join(item.operations[:_SHOWN_OPERATIONS])
            more = len(item.operations) - _SHOWN_OPERATIONS
            lines.append(f"    in {shown}{f' and {more} more' if more > 0 else ''}")
        if item.hint and item.severity != "note":
            lines += textwrap.wrap(
                "hint: " + item.hint, 106, initial_indent="    ", subsequent_indent="    ", break_long_words=False
            )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _title(result: Result, severity: str) -> str:
    return "ERROR" if severity == "error" and result.command == "lint" else _TITLES[severity]


def _word(result: Result, severity: str) -> str:
    words = {"error": "error" if result.command == "lint" else "breaking", "warning": "warning", "note": "info"}
    return words[severity]
