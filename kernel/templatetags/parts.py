"""The parts of every page: one tag each, built into all templates. What they look like is shown on `/styleguide/`.

Small parts (icon, pill, digest, …) are drawn here because long lists print hundreds of them; larger ones are
templates in `templates/parts/`. A tone, its icon and its word come as one `kernel.ui.tones.Tone` from the selector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from django import template
from django.core.paginator import Page
from django.forms import BoundField
from django.forms.widgets import CheckboxInput, CheckboxSelectMultiple, RadioSelect
from django.template.loader_tags import BLOCK_CONTEXT_KEY
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from kernel import clock
from kernel.counts import CountedSoFar
from kernel.digest import short
from kernel.money import Money
from kernel.ui import charts, wording
from kernel.ui.tones import Tone
from kernel.ui.wording import duration, number
from kernel.viewer import Permission

register = template.Library()

_UNKNOWN = Tone("quiet", "Unknown")


# -- icon, tone, tag, count --------------------------------------------------------------------------------------------
@register.simple_tag
def icon(name: str, *, live: bool = False) -> SafeString:
    """A symbol of the sprite, hidden from screen readers: a word always stands beside it. `live` lets it breathe."""
    return format_html(
        '<svg class="icon{}" aria-hidden="true"><use href="#i-{}"></use></svg>', " live" if live else "", name
    )


def _toned(kind: str, tone: Tone | str | None, word: Any, symbol: str, live: bool) -> SafeString:
    if isinstance(tone, Tone):
        name, word, symbol = tone.tone, word or tone.word, symbol or tone.icon
    elif tone:
        made = Tone(tone, str(word), symbol)  # type: ignore[arg-type]
        name, symbol = made.tone, made.icon
    else:
        name, word, symbol = _UNKNOWN.tone, word or _UNKNOWN.word, symbol or _UNKNOWN.icon
    return format_html('<span class="{}" data-tone="{}">{}{}</span>', kind, name, icon(symbol, live=live), word)


@register.simple_tag
def pill(tone: Tone | str | None, word: Any = "", icon: str = "", *, live: bool = False) -> SafeString:
    """A boxed state, for page heads: `{% pill change.tone %}` or `{% pill "ok" "Published" %}`. None is "Unknown"."""
    return _toned("pill", tone, word, icon, live)


@register.simple_tag
def state(tone: Tone | str | None, word: Any = "", icon: str = "", *, live: bool = False) -> SafeString:
    """An unboxed state, for rows and tables. Same arguments as `pill`."""
    return _toned("state", tone, word, icon, live)


@register.simple_tag
def tag(text: Any, icon: str = "") -> SafeString:
    """A fact without judgement: `{% tag "REST" %}`, `{% tag "Tier 0" icon="shield" %}`."""
    drawn = format_html('<svg class="icon" aria-hidden="true"><use href="#i-{}"></use></svg>', icon) if icon else ""
    return format_html('<span class="tag">{}{}</span>', drawn, text)


@register.simple_tag
def count(n: Any, tone: str = "") -> SafeString:
    """A number in a small round box. None prints nothing: an unknown count is not zero."""
    if n is None:
        return SafeString("")
    said = f"{int(n):,}+" if isinstance(n, CountedSoFar) else number(n)
    if tone:
        return format_html('<span class="count" data-tone="{}">{}</span>', tone, said)
    return format_html('<span class="count">{}</span>', said)


# -- digest, time, amounts ---------------------------------------------------------------------------------------------
def barcode(digest: str) -> SafeString:
    """Eight bars from the first eight hex digits: the digit sets the height, an odd digit is two pixels wide."""
    bars = []
    for index, digit in enumerate(short(digest)):
        value = int(digit, 16) if digit in "0123456789abcdef" else 0
        height = 4 + (value + 1) // 2
        bars.append(f'<rect x="{index * 3}" y="{12 - height}" width="{1 + value % 2}" height="{height}"></rect>')
    drawn = "".join(bars)  # numbers only
    return mark_safe(f'<svg class="barcode" viewBox="0 0 23 12" aria-hidden="true">{drawn}</svg>')  # noqa: S308


@register.simple_tag
def digest(value: str | None, *, copy: bool = True, void: bool = False) -> SafeString:
    """A digest as its barcode and first eight digits, with a copy button. None is "Unknown".

    `void=True` strikes it out: the digest that was approved is not the present one.
    Inside a link or a button pass `copy=False`: a button may not hold another one.
    """
    if not value:
        return state(None)
    text = short(value)
    if void:
        return format_html(
            '<span class="digest" data-void><span class="visually-hidden">no longer valid: </span>'
            '{}<span title="{}">{}</span></span>',
            barcode(value),
            value,
            text,
        )
    button = (
        format_html(
            '<button type="button" data-copy="{}" aria-label="Copy full digest {}">{}</button>',
            value,
            text,
            icon("copy"),
        )
        if copy
        else ""
    )
    return format_html(
        '<span class="digest">{}<span title="{}">{}</span>{}</span>', barcode(value), value, text, button
    )


@register.simple_tag
def when(at: datetime | date | None, *, relative: bool = True, only: str = "", missing: str = "unknown") -> SafeString:
    """Absolute time with the relative one beside it: "Tue 17 Nov, 16:08 (22 h ago)"; the title has the year, the
    second and the zone.

    `only="relative"` prints "22 h ago" alone; `only="absolute"` (or relative=False) prints the absolute time alone,
    `only="clock"` the hour, minute and second of a time. A plain date prints without a clock time. None prints
    `missing`, never a made-up time.
    """
    if at is None:
        return format_html('<span class="muted">{}</span>', missing)
    absolute, machine, exact = _absolute(at)
    if not isinstance(at, datetime):
        at = datetime.combine(at, time(12), UTC)
    elif timezone.is_naive(at):
        raise ValueError("a time without a zone cannot be shown")
    beside = wording.relative(at, since=clock.now())
    if only == "relative":
        return format_html('<time datetime="{}" title="{}">{}</time>', machine, exact, beside)
    named = format_html(' title="{}"', exact) if exact != absolute else ""
    drawn = format_html('<time datetime="{}"{}>{}</time>', machine, named, absolute)
    if only == "absolute" or not relative:
        return drawn
    if only == "clock":
        return format_html(
            '<time datetime="{}" title="{}">{}</time>', machine, exact, f"{timezone.localtime(at):%H:%M:%S}"
        )
    return format_html('{} <span class="muted">({})</span>', drawn, beside)


def _absolute(at: datetime | date) -> tuple[str, str, str]:
    """For people, for machines, and in full. The year appears to people only where it is not the present one."""
    here = timezone.localtime(at) if isinstance(at, datetime) and timezone.is_aware(at) else at
    year = "" if here.year == timezone.localtime(clock.now()).year else f" {here.year}"
    if isinstance(here, datetime):
        exact = f"{here:%a} {here.day} {here:%b} {here.year}, {here:%H:%M:%S} {wording.zone_of(here)}"
        return f"{here:%a} {here.day} {here:%b}{year}, {here:%H:%M}", here.isoformat(timespec="seconds"), exact
    plain = f"{here.day} {here:%b} {here.year}"
    return plain, here.isoformat(), plain


@register.simple_tag
def present_zone() -> str:
    """The zone of the times of this page, with its present distance: "Europe/Berlin (UTC+01:00)", "UTC"."""
    name, distance = str(timezone.get_current_timezone()), f"{timezone.localtime(clock.now()):%z}"
    return name if name == "UTC" else f"{name} (UTC{distance[:3]}:{distance[3:]})"


register.filter("number", number)
register.filter("duration", duration)


@register.filter
def money(value: Money | None) -> SafeString:
    """`{{ total|money }}`: "41,327.15 EUR", the currency in a quieter ink. None is "unknown"."""
    if value is None:
        return mark_safe('<span class="muted">unknown</span>')
    return format_html('{} <span class="unit">{}</span>', f"{value.amount:,}", value.currency)


# -- people and decisions ----------------------------------------------------------------------------------------------
_FREE, _YOURS, _NONE = (
    SafeString(f'<span class="slot-mark"{mark}></span>') for mark in ("", " data-you", " data-none")
)


@register.simple_tag
def slot_marks(filled: int, needed: int, *, you: bool = False) -> SafeString:
    """The approvals that a slot needs: those given are ticked, the one the viewer may give is marked.

    0: none needed.
    """
    taken = format_html('<span class="slot-mark" data-filled>{}</span>', icon("tick"))
    drawn = [taken if n < filled else _YOURS if you and n == filled else _FREE for n in range(max(needed, filled))] or [
        _NONE
    ]
    return format_html(
        '<span class="slot-marks" aria-hidden="true">{}</span>', format_html_join("", "{}", ((mark,) for mark in drawn))
    )


@register.simple_tag
def why(text: str, *, id: str = "") -> SafeString:
    """The sentence beside a disabled button. Give it an `id` and name that in the button's `aria-describedby`."""
    return format_html(
        '<p class="why"{}>{}<span>{}</span></p>', format_html(' id="{}"', id) if id else "", icon("info"), text
    )


@register.simple_tag
def button(
    label: str,
    permission: Permission | None = None,
    *,
    kind: str = "",
    icon: str = "",
    type: str = "submit",
    name: str = "",
    value: str = "",
    opens: str = "",
    closes: str = "",
    size: str = "",
    wide: bool = False,
    id: str = "",
) -> SafeString:
    """A button. With a `Permission` that says no it is disabled and its reason stands beside it.

    `opens` / `closes` name a dialog (`command="show-modal"`) and make it a plain button.
    `kind`: primary, danger, plain.
    """
    refused = permission is not None and not permission
    why_id = f"why-{id or opens or name or label.lower().replace(' ', '-')}"
    attributes: dict[str, Any] = {
        "type": "button" if opens or closes or refused else type,
        "id": id,
        "data-kind": kind,
        "data-size": size,
        "name": name,
        "value": value,
        "command": "show-modal" if opens else "close" if closes else "",
        "commandfor": opens or closes,
        "aria-describedby": why_id if refused else "",
    }
    drawn = format_html(
        '<button class="button"{}{}{}>{}{}</button>',
        format_html_join("", ' {}="{}"', ((key, item) for key, item in attributes.items() if item != "")),
        mark_safe(" data-wide") if wide else "",
        mark_safe(" disabled") if refused else "",
        format_html('<svg class="icon" aria-hidden="true"><use href="#i-{}"></use></svg>', icon) if icon else "",
        label,
    )
    return (
        format_html("{}{}", drawn, why(permission.reason, id=why_id)) if permission is not None and refused else drawn
    )


# -- notice, empty state: block tags -----------------------------------------------------------------------------------
_NOTICE_ICONS = {"ok": "ok", "wait": "wait", "stop": "stop", "quiet": "info", "accent": "info"}


@register.simple_block_tag(end_name="endnotice")
def notice(content: str, tone: str = "quiet", title: str = "", *, icon: str = "", role: str = "") -> SafeString:
    """A coloured box: `{% notice "stop" "What happened" %}<p>What was kept, what to do.</p>{% endnotice %}`.

    `role="alert"` after a refused form, so that a screen reader reads it at once.
    """
    return format_html(
        '<div class="notice" data-tone="{}"{}>{}<div>{}{}</div></div>',
        tone,
        format_html(' role="{}"', role) if role else "",
        format_html(
            '<svg class="icon" aria-hidden="true"><use href="#i-{}"></use></svg>',
            icon or _NOTICE_ICONS.get(tone, "info"),
        ),
        format_html('<p class="title">{}</p>', title) if title else "",
        _rendered(content),
    )


@register.simple_block_tag(end_name="endemptystate")
def emptystate(content: str, title: str, *, icon: str = "inbox") -> SafeString:
    """An empty page or panel: what is not here, and in the block what to do next.

    `{% emptystate "You're all caught up" %}<p>…</p><div class="actions">…</div>{% endemptystate %}`
    """
    return format_html('<div class="empty">{}<h3>{}</h3>{}</div>', _symbol(icon), title, _rendered(content))


def _symbol(name: str) -> SafeString:
    return icon(name)


def _rendered(content: str) -> SafeString:
    """The block's nodes have escaped their values already."""
    return mark_safe(content)  # noqa: S308


# -- forms -------------------------------------------------------------------------------------------------------------
@register.inclusion_tag("parts/field.html")
def field(bound: BoundField, *, label: str = "", hint: str = "", wide: bool = False) -> dict[str, Any]:
    """A form field with label, hint and error: `{% field form.reason %}`. Radios and boxes get a legend."""
    widget = bound.field.widget
    return {
        "field": bound,
        "label": label or bound.label,
        "hint": hint or bound.help_text,
        "hint_id": f"{bound.auto_id}_helptext",
        "wide": wide,
        "group": isinstance(widget, RadioSelect | CheckboxSelectMultiple),
        "box": isinstance(widget, CheckboxInput),
        # a form that asks for nothing (a filter) need not say so at every field
        "optional": not bound.field.required
        and not isinstance(widget, CheckboxInput)
        and any(other.required for other in bound.form.fields.values()),
    }


@register.inclusion_tag("parts/form_errors.html")
def form_errors(form: Any) -> dict[str, Any]:
    """What is wrong with the form as a whole, with links to the fields to correct. Nothing while the form is valid."""
    return {"form": form, "fields": [bound for bound in form if bound.errors] if form.is_bound else []}


# -- lists -------------------------------------------------------------------------------------------------------------
@register.inclusion_tag("parts/pagination.html", takes_context=True)
def pagination(
    context: template.Context, page: Page[Any], *, name: str = "page", label: str = "Pages"
) -> dict[str, Any]:
    """Pages of a list; the rest of the query string stays. `page` is a page of Django's Paginator."""
    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    return {
        "page": page,
        "numbers": list(numbers),
        "name": name,
        "label": label,
        "request": context.get("request"),
        "gap": page.paginator.ELLIPSIS,
    }


@register.inclusion_tag("parts/tabs.html")
def tabs(items: Iterable[Mapping[str, Any]], *, label: str) -> dict[str, Any]:
    """Tabs that are pages of their own: items hold `label`, `url`, `current` and maybe `count`, `tone`."""
    return {"items": items, "label": label}


@register.inclusion_tag("parts/segments.html")
def segments(items: Iterable[Mapping[str, Any]], *, label: str) -> dict[str, Any]:
    """A switch between readings of the same thing. Items as for `tabs`."""
    return {"items": items, "label": label}


# -- progress and charts -----------------------------------------------------------------------------------------------
@register.simple_tag
def progress(
    value: float | int | None, top: float | int = 100, *, label: str = "Progress", tone: str = "", small: bool = False
) -> SafeString:
    """A progress bar. None draws the indeterminate bar: nobody knows how much is done."""
    extra = format_html(
        "{}{}", format_html(' data-tone="{}"', tone) if tone else "", mark_safe(' data-size="small"') if small else ""
    )
    if value is None or not top:
        return format_html('<progress aria-label="{}"{}></progress>', label, extra)
    share = f"{100 * value / top:.0f} %"
    return format_html(
        '<progress value="{}" max="{}" aria-label="{}: {}"{}>{}</progress>',
        f"{value:g}",
        f"{top:g}",
        label,
        share,
        extra,
        share,
    )


@register.simple_tag
def sparkline(values: Iterable[float], *, label: str, tone: str = "accent", small: bool = False) -> SafeString:
    """A line without axes; `label` is the sentence that says the same in words."""
    return charts.sparkline(list(values), label=label, tone=tone, small=small)


@register.simple_tag
def bars(items: Iterable[tuple[str, float]], *, label: str, tone: str = "accent", height: int = 96) -> SafeString:
    """Upright bars with a name below each; `items` are (name, value)."""
    return charts.bars(list(items), label=label, tone=tone, height=height)


@register.simple_tag
def linechart(
    points: Iterable[tuple[str, float]], *, label: str, unit: str = "", tone: str = "accent", height: int = 130
) -> SafeString:
    """A line over time with three grid lines and four names below; `points` are (name, value), evenly spaced."""
    return charts.line(list(points), label=label, unit=unit, tone=tone, height=height)


@register.simple_tag
def meter(
    value: float | None, top: float, *, label: str, target: float | None = None, tone: str = "accent"
) -> SafeString:
    """A bar on a track with an optional mark for the target, all three in the same unit."""
    return charts.meter(value, top, label=label, target=target, tone=tone)


# -- the page itself ---------------------------------------------------------------------------------------------------
@register.simple_tag(takes_context=True)
def filled(context: template.Context, *names: str) -> bool:
    """Whether a page that extends this template fills one of these blocks. For base.html; use `as`."""
    blocks = context.render_context.get(BLOCK_CONTEXT_KEY)
    return blocks is not None and any(len(blocks.blocks.get(name, ())) > 1 for name in names)


@register.filter
def item(mapping: Mapping[Any, Any], key: Any) -> Any:
    """`{{ counts|item:key }}`; None where there is none."""
    return mapping.get(key) if hasattr(mapping, "get") else None


@register.filter
def code(text: Any) -> SafeString:
    """Words between backticks become `<code>`; everything else is escaped."""
    pieces = str(text).split("`")
    marked = (
        format_html("<code>{}</code>" if n % 2 and n < len(pieces) - 1 else "{}", piece)
        for n, piece in enumerate(pieces)
    )
    return format_html_join("", "{}", ((piece,) for piece in marked))
