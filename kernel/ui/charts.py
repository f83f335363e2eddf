"""Charts drawn on the server: x in per cent, text in pixels, so nothing shrinks. Each says in `label` what it shows."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


def _path(values: Sequence[float], low: float, high: float) -> str:
    """Points of a line in a 100 × 100 box, y downwards."""
    span = (high - low) or 1.0
    step = 100 / max(len(values) - 1, 1)
    points = [f"{index * step:.2f} {100 - 100 * (value - low) / span:.2f}" for index, value in enumerate(values)]
    if len(points) == 1:
        points.append(f"100.00 {points[0].split()[1]}")
    return "M" + " ".join(points)


def sparkline(values: Sequence[float], *, label: str, tone: str = "accent", small: bool = False) -> SafeString:
    """A line and its area; an empty series draws a quiet base line and the label still speaks."""
    path = _path(values, min(0.0, *values), max(values)) if values else "M0 100 100 100"
    return format_html(
        '<svg class="chart spark" data-tone="{}"{} viewBox="0 0 100 100" preserveAspectRatio="none"'
        ' role="img" aria-label="{}">'
        '<path class="area" d="{} L100 100 L0 100Z"></path><path class="trace" d="{}"></path></svg>',
        tone if values else "quiet",
        format_html(' data-size="{}"', "small") if small else "",
        label,
        path,
        path,
    )


def _round_up(value: float) -> float:
    """The next 1, 2, 2.5, 5 or 10 times a power of ten: a scale that people can read."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= value)


def _plain(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _names(names: Sequence[str], y: int) -> SafeString:
    """At most four of the points' names, evenly spread below the line."""
    last = len(names) - 1
    shown = sorted({round(index * last / 3) for index in range(4)}) if names else []
    return format_html_join(
        "",
        '<text x="{}%" y="{}" text-anchor="{}">{}</text>',
        (
            (f"{100 * at / max(last, 1):.2f}", y, "start" if at == 0 else "end" if at == last else "middle", names[at])
            for at in shown
        ),
    )


def line(
    points: Sequence[tuple[str, float]], *, label: str, unit: str = "", tone: str = "accent", height: int = 130
) -> SafeString:
    """Evenly spaced points with three grid lines, the scale at the left and at most four names below."""
    values = [value for _, value in points]
    top = _round_up(max(values, default=0.0))
    plot = height - 40
    grid = format_html_join(
        "",
        '<line class="gridline" x1="0" x2="100%" y1="{}" y2="{}"></line>{}',
        (
            (y, y, format_html('<text x="0" y="{}">{}</text>', y - 4, text) if text else "")
            for y, text in ((16 + plot, ""), (16 + plot // 2, _plain(top / 2)), (16, f"{_plain(top)} {unit}".strip()))
        ),
    )
    path = _path(values, 0.0, top) if values else "M0 100"
    return format_html(
        '<svg class="chart" height="{}" role="img" aria-label="{}" data-tone="{}">{}'
        '<svg x="0" y="16" width="100%" height="{}" viewBox="0 0 100 100" preserveAspectRatio="none"'
        ' overflow="visible">'
        '<path class="area" d="{} L100 100 L0 100Z"></path><path class="trace" d="{}"></path></svg>{}</svg>',
        height,
        label,
        tone,
        grid,
        plot,
        path,
        path,
        _names([name for name, _ in points], height - 4),
    )


def bars(items: Sequence[tuple[str, float]], *, label: str, tone: str = "accent", height: int = 96) -> SafeString:
    """Upright bars over a base line, each with its value above and its name below."""
    top = max((value for _, value in items), default=0) or 1
    width = 100 / max(len(items), 1)
    plot = height - 34
    drawn = format_html_join(
        "",
        '<rect class="bar" x="{}%" y="{}" width="{}%" height="{}" rx="2"></rect>'
        '<text x="{}%" y="{}" text-anchor="middle">{}</text><text x="{}%" y="{}" text-anchor="middle">{}</text>',
        (
            (
                f"{index * width + width * 0.18:.2f}",
                f"{16 + plot - plot * value / top:.1f}",
                f"{width * 0.64:.2f}",
                f"{plot * value / top:.1f}",
                f"{index * width + width / 2:.2f}",
                f"{12 + plot - plot * value / top:.1f}",
                _plain(value),
                f"{index * width + width / 2:.2f}",
                height - 2,
                name,
            )
            for index, (name, value) in enumerate(items)
        ),
    )
    return format_html(
        '<svg class="chart" height="{}" role="img" aria-label="{}" data-tone="{}">'
        '<line class="gridline" x1="0" x2="100%" y1="{}" y2="{}"></line>{}</svg>',
        height,
        label,
        tone,
        16 + plot,
        16 + plot,
        drawn,
    )


def meter(
    value: float | None, top: float, *, label: str, target: float | None = None, tone: str = "accent"
) -> SafeString:
    """A value on a track, with a mark at the target. An unknown value leaves the track empty."""
    share = 0.0 if value is None or top <= 0 else min(max(100 * value / top, 0.0), 100.0)
    mark = (
        format_html(
            '<line class="target" x1="{0}%" x2="{0}%" y1="0" y2="14"></line>', f"{min(100 * target / top, 100):.1f}"
        )
        if target is not None and top > 0
        else ""
    )
    return format_html(
        '<svg class="chart" height="14" role="img" aria-label="{}" data-tone="{}">'
        '<rect class="track" x="0" y="3" width="100%" height="8" rx="4"></rect>'
        '<rect class="bar" x="0" y="3" width="{}%" height="8" rx="4"></rect>{}</svg>',
        label,
        tone,
        f"{share:.1f}",
        mark,
    )
