"""The parts of a page: what they print, that they escape, and that unknown is never shown as zero."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django import forms
from django.core.paginator import Paginator
from django.template import engines
from django.test import RequestFactory
from django.utils import timezone

from kernel import clock
from kernel.money import Money
from kernel.templatetags import parts
from kernel.ui import charts, tones, wording
from kernel.viewer import Permission

NOW = datetime(2026, 11, 18, 14, 18, tzinfo=UTC)
EVIL = '"><script>alert(1)</script>'


def render(source: str, **context: object) -> str:
    request = RequestFactory().get(str(context.pop("path", "/")))
    request.user = SimpleNamespace(is_authenticated=False)
    return engines["django"].from_string(source).render(context, request)


# -- tone --------------------------------------------------------------------------------------------------------------
def test_a_tone_prints_its_icon_and_its_word():
    assert parts.pill(tones.stop("Denied", "gate-shut")) == (
        '<span class="pill" data-tone="stop"><svg class="icon" aria-hidden="true"><use href="#i-gate-shut"></use></svg>'
        "Denied</span>"
    )
    assert 'class="state" data-tone="ok"' in parts.state("ok", "Passed")


def test_no_tone_is_unknown_and_never_green():
    assert 'data-tone="quiet"' in parts.pill(None)
    assert "Unknown" in parts.pill(None)


def test_an_unknown_tone_name_is_a_mistake_that_shows_at_once():
    with pytest.raises(KeyError):
        parts.pill("green", "x")


def test_an_unknown_count_prints_nothing_and_zero_prints_zero():
    assert parts.count(None) == ""
    assert ">0<" in parts.count(0)
    assert ">12,041<" in parts.count(12041, "accent")


@pytest.mark.parametrize(
    "source",
    [
        "{% pill 'ok' evil %}",
        "{% state 'ok' evil %}",
        "{% tag evil %}",
        "{% count evil %}",
        "{% digest evil %}",
        "{% why evil %}",
        "{% button evil %}",
        "{% notice 'stop' evil %}{{ evil }}{% endnotice %}",
        "{% emptystate evil %}{{ evil }}{% endemptystate %}",
        "{% progress 1 2 label=evil %}",
        "{% sparkline values label=evil %}",
        "{% bars points label=evil %}",
        "{% linechart points label=evil unit=evil %}",
        "{% meter 1 2 label=evil %}",
        "{{ evil|code }}",
        "{% when None missing=evil %}",
        "{% icon evil %}",
        "{% tabs tabs label=evil %}",
        "{% segments tabs label=evil %}",
        "{% button 'x' refused %}",
    ],
)
def test_every_part_escapes_what_it_is_given(source):
    shown = render(
        source,
        evil=EVIL,
        values=[1, 2],
        points=[(EVIL, 1), ("b", 2)],
        tabs=[{"label": EVIL, "url": EVIL}],
        refused=Permission(False, EVIL),
    )
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


# -- digest ------------------------------------------------------------------------------------------------------------
def test_the_barcode_is_drawn_from_the_first_eight_digits():
    bars = parts.barcode("sha256:9f2c41d7" + "0" * 56)
    assert '<rect x="0" y="3" width="2" height="9"></rect><rect x="3" y="0" width="2" height="12"></rect>' in bars
    assert bars.count("<rect") == 8
    assert bars == parts.barcode("sha256:9f2c41d7" + "f" * 56)
    assert bars != parts.barcode("sha256:8f2c41d7" + "0" * 56)


def test_a_digest_is_copied_in_full_or_struck_out_or_unknown():
    full = "sha256:" + "9f2c41d7" * 8
    assert f'data-copy="{full}"' in parts.digest(full)
    assert "<button" not in parts.digest(full, copy=False)
    void = parts.digest(full, void=True)
    assert "data-void" in void
    assert "no longer valid" in void
    assert "<button" not in void
    assert "Unknown" in parts.digest(None)
    assert "Unknown" in parts.digest("")


# -- time and amounts --------------------------------------------------------------------------------------------------
def test_time_is_absolute_with_the_relative_beside():
    with clock.frozen(NOW):
        at = NOW - timedelta(hours=22)
        drawn = (
            '<time datetime="2026-11-17T16:18:00+00:00" title="Tue 17 Nov 2026, 16:18:00 UTC">Tue 17 Nov, 16:18</time>'
        )
        assert parts.when(at) == f'{drawn} <span class="muted">(22 h ago)</span>'
        assert ">22 h ago</time>" in parts.when(at, only="relative")
        for shown in (parts.when(at), parts.when(at, only="relative"), parts.when(at, only="absolute")):
            assert 'title="Tue 17 Nov 2026, 16:18:00 UTC"' in shown
        assert 'title="Tue 17 Nov 2026, 16:18:00 UTC">16:18:00</time>' in parts.when(at, only="clock")
        with timezone.override("America/Sao_Paulo"):
            assert 'title="Tue 17 Nov 2026, 13:18:00 UTC-03"' in parts.when(at)
        with timezone.override("Europe/Berlin"):
            assert 'title="Tue 17 Nov 2026, 17:18:00 CET"' in parts.when(at)
        assert "ago" not in parts.when(at, relative=False)
        assert "Tue 12 Jan 2027, 09:00" in parts.when(datetime(2027, 1, 12, 9, tzinfo=UTC))
        assert "1 Mar 2025" in parts.when(date(2025, 3, 1))


def test_a_missing_time_is_said_and_a_time_without_zone_is_refused():
    assert "never used" in parts.when(None, missing="never used")
    with pytest.raises(ValueError, match="zone"):
        parts.when(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.02, "20 ms"),
        (3, "3 s"),
        (3.25, "3.2 s"),
        (59.9, "59.9 s"),
        (720, "12 min"),
        (3900, "1 h 5 min"),
        (36000, "10 h"),
        (200000, "2 days"),
        (None, "unknown"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds, words):
    assert parts.duration(seconds) == words
    if seconds is not None:
        assert parts.duration(timedelta(seconds=seconds)) == words


def test_money_shows_its_currency_and_unknown_is_not_zero():
    assert "41,327.15" in parts.money(Money(Decimal("41327.15"), "EUR"))
    assert "EUR" in parts.money(Money(Decimal("41327.15"), "EUR"))
    assert "unknown" in parts.money(None)
    assert parts.number(None) == "unknown"
    assert parts.number(0) == "0"


# -- decisions ---------------------------------------------------------------------------------------------------------
def test_slot_marks_show_given_missing_mine_and_none_needed():
    assert parts.slot_marks(1, 2).count("data-filled") == 1
    assert parts.slot_marks(1, 2, you=True).count("data-you") == 1
    assert "data-you" not in parts.slot_marks(2, 2, you=True)
    assert "data-none" in parts.slot_marks(0, 0)


def test_a_refused_button_is_disabled_and_says_why():
    shown = parts.button("Approve", Permission(False, "Somebody else decides."), kind="primary", opens="approve")
    assert " disabled>" in shown
    assert 'aria-describedby="why-approve"' in shown
    assert '<p class="why" id="why-approve">' in shown
    assert "Somebody else decides." in shown
    assert 'type="button"' in shown
    allowed = parts.button("Approve", Permission(True), opens="approve")
    assert "disabled" not in allowed
    assert 'command="show-modal" commandfor="approve"' in allowed


# -- forms and lists ---------------------------------------------------------------------------------------------------
class Sample(forms.Form):
    reason = forms.CharField(label="Reason", help_text="One sentence.")
    note = forms.CharField(label="Note", required=False)
    how = forms.ChoiceField(choices=[("a", "A"), ("b", "B")], widget=forms.RadioSelect)
    sure = forms.BooleanField(label="Sure", required=False)


def test_a_field_has_its_label_hint_and_error_tied_to_it():
    shown = render("{% field form.reason %}", form=Sample({}))
    assert re.search(r'<label for="id_reason">\s*Reason\s*</label>', shown)
    assert 'aria-invalid="true"' in shown
    assert 'aria-describedby="id_reason_helptext id_reason_error"' in shown
    assert 'id="id_reason_helptext">One sentence.' in shown
    assert 'id="id_reason_error"' in shown
    assert "(optional)" in render("{% field form.note %}", form=Sample())


def test_choices_stand_in_a_fieldset_and_a_box_beside_its_label():
    assert "<fieldset" in render("{% field form.how %}", form=Sample())
    assert "<legend" in render("{% field form.how %}", form=Sample())
    assert '<label class="choice" for="id_sure">' in render("{% field form.sure %}", form=Sample())


def test_a_refused_form_links_to_what_has_to_be_corrected():
    shown = render("{% form_errors form %}", form=Sample({"how": "a"}))
    assert 'role="alert"' in shown
    assert 'href="#id_reason"' in shown
    assert 'href="#id_note"' not in shown
    assert render("{% form_errors form %}", form=Sample()).strip() == ""
    assert render("{% form_errors form %}", form=Sample({"reason": "x", "how": "a"})).strip() == ""


def test_pages_keep_the_query_and_say_where_they_are():
    shown = render("{% pagination page %}", page=Paginator(range(148), 20).page(2), path="/x?q=price&page=2")
    assert 'href="?q=price&amp;page=3"' in shown
    assert "21 to 40 of 148" in shown
    assert '<span aria-current="page">2</span>' in shown
    assert "rel=" not in render("{% pagination page %}", page=Paginator([1], 20).page(1))
    assert render("{% pagination page %}", page=Paginator([], 20).page(1)).strip() == ""


# -- charts ------------------------------------------------------------------------------------------------------------
def test_progress_without_a_known_end_is_indeterminate():
    assert "value=" not in parts.progress(None)
    assert 'value="69" max="100" aria-label="Run: 69 %"' in parts.progress(69, label="Run")
    assert "value=" not in parts.progress(5, 0)


@pytest.mark.parametrize("values", [[], [0], [5], [0, 0, 0], [-1, 4], [1e9, 2e9]])
def test_charts_draw_any_series_and_say_it_in_words(values):
    points = [(str(index), value) for index, value in enumerate(values)]
    for drawn in (
        charts.sparkline(values, label="words"),
        charts.line(points, label="words"),
        charts.bars(points, label="words"),
    ):
        assert 'role="img" aria-label="words"' in drawn
        assert "nan" not in drawn.lower()
        assert "inf" not in drawn.lower()


def test_a_meter_never_leaves_its_track():
    assert 'width="100.0%"' in charts.meter(300, 200, label="x")
    assert 'width="0.0%"' in charts.meter(None, 200, label="x")
    assert 'x1="60.0%"' in charts.meter(134, 200, target=120, label="x")


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (0.7, 1), (1, 1), (1.2, 2), (2.2, 2.5), (3, 5), (51, 100), (0.03, 0.05)]
)
def test_the_scale_ends_at_a_number_that_people_read(value, top):
    assert charts._round_up(value) == pytest.approx(top)


# -- the page ----------------------------------------------------------------------------------------------------------
def test_the_frame_draws_only_what_a_page_fills(monkeypatch):
    monkeypatch.setattr(
        "portal.navigation.build",
        lambda request: SimpleNamespace(groups=(), lines=(), teams=(), search_url="/search/", settings_url=""),
    )
    bare = render("{% extends 'base.html' %}{% block main %}x{% endblock %}")
    assert "with-rail" not in bare
    assert "page-head" not in bare
    assert 'class="crumbs"' not in bare
    full = render(
        "{% extends 'base.html' %}{% block crumbs %}<li>a</li>{% endblock %}{% block head %}h{% endblock %}"
        "{% block width %}wide{% endblock %}"
        "{% block main %}x{% endblock %}{% block rail %}r{% endblock %}"
    )
    assert '<div class="with-rail">' in full
    assert re.search(r'<ol class="crumbs">\s*<li>a</li>\s*</ol>', full)
    assert 'data-width="wide"' in full


def test_words_between_backticks_become_code():
    assert parts.code("`a` became `b`, not <c>") == "<code>a</code> became <code>b</code>, not &lt;c&gt;"
    assert parts.code("no code") == "no code"


def test_a_count_stands_with_its_noun():
    assert wording.counted(1, "check") == "1 check"
    assert wording.counted(0, "check") == "0 checks"
    assert wording.counted(2041, "entry", "entries") == "2,041 entries"
