"""Search and browse. The address holds the whole state; saved searches are addresses with a name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from catalog.domain import lifecycle, search_criteria
from catalog.domain.search_criteria import NONE, PAGE_SIZE, SORTS, Criteria
from catalog.models import Api, SavedSearch
from catalog.selectors import search
from catalog.web.people import person
from kernel.errors import Invalid
from kernel.ui import tones
from kernel.ui.tones import Tone
from kernel.viewer import Viewer

LEGENDS = {
    "domain": "Domain",
    "state": "Lifecycle",
    "layer": "Layer",
    "style": "Style",
    "tier": "SLA tier",
    "data": "Data",
    "system": "System",
    "team": "Team",
}
SHOWN = 8
_WORDS = {
    "state": {s: lifecycle.tone(s).word for s in lifecycle.STATES},
    "layer": dict(Api.Layer.choices),
    "style": dict(Api.Style.choices),
    "tier": {"0": "0, checkout", "1": "1", "2": "2", "3": "3, back office"},
    "data": dict(Api.DataClass.choices),
}
_FIXED = {"layer", "style", "tier", "data"}


@dataclass(frozen=True, slots=True)
class FacetChoice:
    value: str
    word: str
    n: int
    checked: bool


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    legend: str
    shown: tuple[FacetChoice, ...]
    more: tuple[FacetChoice, ...]


@dataclass(frozen=True, slots=True)
class ResultLine:
    """A result line; `states` are what its newest versions are."""

    row: dict[str, object]
    states: tuple[Tone, ...]
    layer: str
    style: str
    data_class: str


def _word(facet: str, value: str, names: dict[str, dict[str, str]]) -> str:
    if value == NONE:
        return "Not stated"
    return names.get(facet, {}).get(value) or _WORDS.get(facet, {}).get(value) or value


def _facets(found: search.SearchResults, criteria: Criteria, names: dict[str, dict[str, str]]) -> list[Facet]:
    made = []
    for name, legend in LEGENDS.items():
        counts = dict(found.facets.get(name, []))
        if name in _FIXED:
            order = [*_WORDS[name], *(v for v in counts if v not in _WORDS[name])]
            counts = {v: counts.get(v, 0) for v in order}
        chosen = criteria.chosen.get(name, ())
        choices = [FacetChoice(v, _word(name, v, names), n, v in chosen) for v, n in counts.items()]
        top = [c for n, c in enumerate(choices) if n < SHOWN or c.checked]
        made.append(Facet(name, legend, tuple(top), tuple(c for c in choices if c not in top)[:200]))
    return [f for f in made if f.shown]


def _short(label: str) -> str:
    """Some publishers' labels are long; the API's page says them in full."""
    return label if len(label) <= 16 else f"{label[:15]}…"


def result_line(row: dict[str, object]) -> ResultLine:
    """The states at the right of a search result: of the newest live version, and of one in review."""
    versions: list[dict[str, str]] = row["versions"]  # type: ignore[assignment]
    live = next((v for v in versions if v["state"] == "published"), None) or next(
        (v for v in versions if v["state"] == "deprecated"), None
    )
    coming = next((v for v in versions if v["state"] in ("in_review", "approved")), None)
    states = [lifecycle.tone(live["state"], label=_short(live["label"]))] if live else []
    states += [tones.wait(f"{_short(coming['label'])} in review")] if coming else []
    if not states:
        states = (
            [lifecycle.tone(versions[0]["state"], label=_short(versions[0]["label"]))]
            if versions
            else [tones.quiet("No version")]
        )
    if not row["judged"]:
        states.append(tones.quiet("Imported, not reviewed"))
    return ResultLine(
        row,
        tuple(states),
        _WORDS["layer"].get(str(row["layer"]), ""),
        _WORDS["style"].get(str(row["style"]), ""),
        _WORDS["data"].get(str(row["data_class"]), ""),
    )


@require_GET
def apis(request: HttpRequest) -> HttpResponse:
    criteria = search_criteria.read_criteria(request.GET.dict(), {k: request.GET.getlist(k) for k in request.GET})
    viewer = Viewer.of(request.user)
    found = search.browse(criteria, viewer=viewer)
    if criteria.page > found.pages:
        criteria = replace(criteria, page=found.pages)
        found = search.browse(criteria, viewer=viewer) if found.total else found
    names = search.names_of_facets()
    url = reverse("catalog:apis")
    context = {
        "criteria": criteria,
        "found": found,
        "lines": [result_line(row) for row in found.rows],
        "facets": _facets(found, criteria, names),
        "chosen": [
            {"word": _word(name, value, names), "url": f"{url}?{criteria.without(name, value).query()}"}
            for name, values in criteria.chosen.items()
            for value in values
        ],
        "cleared": f"{url}?{criteria.cleared().query()}",
        "sorts": [
            {"label": word, "url": f"{url}?{criteria.sorted_by(key).query()}", "current": criteria.order == key}
            for key, word in SORTS.items()
            if key != "best" or criteria.q
        ],
        "page": Paginator(range(found.total), PAGE_SIZE).get_page(criteria.page),
        "saved": SavedSearch.objects.filter(user=person(request)),
        "query": criteria.query(page=1),
    }
    only_results = request.htmx.target == "results"  # type: ignore[attr-defined]
    return render(request, "catalog/_results.html" if only_results else "catalog/apis.html", context)


@require_POST
def save_search(request: HttpRequest) -> HttpResponse:
    """Keep the present address under a name; the same name is replaced. `forget` drops one."""
    if forget := request.POST.get("forget"):
        SavedSearch.objects.filter(
            user=person(request), pk=int(forget) if forget.isascii() and forget.isdecimal() and len(forget) < 15 else 0
        ).delete()
        return redirect("catalog:apis")
    name, query = request.POST.get("name", "").strip(), request.POST.get("query", "")[:1000]
    if not name or len(name) > 80 or "\x00" in name + query:
        raise Invalid("search.name", "Give the search a name of at most 80 characters.")
    if SavedSearch.objects.filter(user=person(request)).exclude(name=name).count() >= 50:
        raise Invalid("search.too_many", "You have 50 saved searches, the most there can be. Forget one first.")
    with transaction.atomic():
        SavedSearch.objects.update_or_create(user=person(request), name=name, defaults={"query": query})
    return redirect(f"{reverse('catalog:apis')}?{query}")
