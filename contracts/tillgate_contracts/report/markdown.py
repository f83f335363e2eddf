"""Markdown for a merge request's comment: a verdict line and one table per level."""

from __future__ import annotations

from tillgate_contracts.report.result import Result

_MOST = 200
_HEADINGS = {"error": "Breaking", "warning": "Warnings", "note": "Harmless"}


def to_markdown(result: Result) -> str:
    """Markdown. At most 200 rows per level; what is left out is counted."""
    counts = f"{result.count('error')} breaking, {result.count('warning')} warnings, {result.count('note')} harmless"
    if result.command == "lint":
        counts = f"{result.count('error')} errors, {result.count('warning')} warnings, {result.count('note')} notes"
    lines = [f"## Contract {result.command}: {result.verdict}", "", f"{counts} (rules {result.rule_pack}).", ""]
    lines += [f"- {name}: {_cell(value)}" for name, value in result.facts.items() if value]
    for severity, heading in _HEADINGS.items():
        items = [item for item in result.sorted_for_people() if item.severity == severity]
        if not items:
            continue
        title = "Errors" if result.command == "lint" and severity == "error" else heading
        lines += ["", f"### {title}", "", "| rule | where | what |", "|---|---|---|"]
        for item in items[:_MOST]:
            operations = ", ".join(item.operations[:3]) + (
                f" and {len(item.operations) - 3} more" if len(item.operations) > 3 else ""
            )
            where = "<br>".join(
                part
                for part in (_cell(operations), f"`{_cell(item.pointer)}`" if item.pointer else "", item.place)
                if part
            )
            if result.command == "lint" and item.count > 1:
                places = "".join(f"<br>`{_cell(more.pointer)}`" for more in item.further)
                where += f"{places}<br>and {item.count - 1 - len(item.further):,} more"
            what = _cell(item.message) + (f"<br>*{_cell(item.hint)}*" if item.hint and severity != "note" else "")
            lines.append(f"| `{item.rule}` | {where} | {what} |")
        if len(items) > _MOST:
            lines.append(f"\n… and {len(items) - _MOST} more.")
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    """Text that cannot leave its table cell, nor bring mark-up from a contract into a page."""
    clean = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")
    return " ".join(clean.split())
