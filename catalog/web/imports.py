"""Bulk imports: those so far, a small one by upload, and the report of one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from catalog import permissions
from catalog.models import ImportRun
from catalog.selectors import imports as selectors
from catalog.services import importing
from catalog.services.importing import archives
from catalog.services.importing.sources import ImportSource
from catalog.web.forms import ImportForm
from catalog.web.people import person
from kernel import clock
from kernel.errors import Invalid
from kernel.ui import tones
from kernel.ui.tones import Tone
from kernel.viewer import Viewer

SHOWN = 1000  # rows of a report


@require_http_methods(["GET", "POST"])
def imports(request: HttpRequest) -> HttpResponse:
    """Imports so far, and a small one by upload; a folder is imported by the command."""
    viewer = Viewer.of(request.user)
    permission = permissions.may_steward(viewer)
    form = ImportForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        sources, name = _sent(request, form.cleaned_data["folder_paths"]), form.cleaned_data["source"]
        try:
            run = importing.request(
                sources,
                actor=person(request),
                source=name or ", ".join(s.name for s in sources)[:200],
                source_key=name,
                dry_run=form.cleaned_data["dry_run"],
                defaults={"owner_team": form.cleaned_data["owner_team"], "state": form.cleaned_data["new_versions"]},
            )
        except Invalid as error:
            form.take(error)
        else:
            return redirect("catalog:import", run_id=run.pk)
    status = 422 if form.is_bound else 200
    return render(
        request,
        "catalog/imports.html",
        {
            "runs": selectors.seen(viewer)[:50],
            "form": form,
            "permission": permission,
            "sources": selectors.sources(viewer),
            "nightly": selectors.schedules(viewer),
        },
        status=status,
    )


def _sent(request: HttpRequest, paths: str) -> list[ImportSource]:
    """What the form sent: single files and archives by their names, those of a folder by their paths in it."""
    single, folder = (
        [ImportSource(f.name or f"file {n}", f.read()) for n, f in enumerate(request.FILES.getlist(key), start=1)]
        for key in ("files", "folder")
    )
    return [*single, *archives.in_folder(folder, paths)]


def _left(run: ImportRun) -> float | None:
    """Seconds until the end at the present pace; None while that is not known."""
    if run.state != ImportRun.State.RUNNING or not run.total or not run.done or run.started_at is None:
        return None
    return (clock.now() - run.started_at).total_seconds() / run.done * (run.total - run.done)


def _looks(run: ImportRun) -> dict[str, Tone]:
    """What became of a row, in words: a dry run has made nothing."""
    dry = run.dry_run
    if run.choice:
        word = {"retire": "retired", "keep": "kept"}.get(run.choice, "changed")
        return {
            "changed": tones.quiet(f"Would be {word}", "change") if dry else tones.ok(word.capitalize()),
            "unchanged": tones.quiet("As before"),
            "refused": tones.wait("Stays", "alert"),
        }
    return {
        "created": tones.quiet("Would be created", "plus") if dry else tones.ok("Created"),
        "changed": tones.quiet("Would be changed", "change") if dry else tones.ok("Changed"),
        "unchanged": tones.quiet("Unchanged"),
        "refused": tones.stop("Not understood"),
    }


@require_GET
def import_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """The report of one import, for who began it and for architects. While it runs, the page asks again every two
    seconds."""
    viewer = Viewer.of(request.user)
    run = selectors.one(viewer, run_id)
    return _report(request, run, viewer)


@require_POST
def leave(request: HttpRequest, run_id: int) -> HttpResponse:
    """Retire or keep what was chosen of the things that a source names no more; or, `again`, what a dry run tried."""
    viewer = Viewer.of(request.user)
    seen = selectors.one(viewer, run_id)
    again = "again" in request.POST
    refs = list(seen.rows.values_list("source", flat=True)) if again else request.POST.getlist("ref")
    if not refs:
        error = Invalid("import.none_chosen", "Choose at least one of them.")
        return _report(request, seen, viewer, error)
    try:
        run = importing.leave(
            seen.source_key,
            refs,
            choice=seen.choice if again else request.POST.get("choice", ""),
            actor=person(request),
            dry_run=not again and "dry_run" in request.POST,
        )
    except Invalid as error:
        return _report(request, seen, viewer, error)
    return redirect("catalog:import", run_id=run.pk)


def _report(request: HttpRequest, run: ImportRun, viewer: Viewer, error: Invalid | None = None) -> HttpResponse:
    outcome = request.GET.get("outcome", "")
    rows = run.rows.all()
    looks = _looks(run)
    counts = {o: run.rows.filter(outcome=o).count() for o in looks}
    told = {"noticed": "import.noticed", "differs": "import.differs", "gone": "import.gone"}
    counts |= {word: run.rows.filter(code=code).count() for word, code in told.items()}
    if outcome in told:
        rows = rows.filter(code=told[outcome])
    elif outcome in counts:
        rows = rows.filter(outcome=outcome)
    words = {"": "All", **{o: tone.word for o, tone in looks.items()}} | (
        {} if run.choice else {"noticed": "With remarks"}
    )
    words |= {w: said for w, said in (("differs", "Needs a decision"), ("gone", "No longer named")) if counts[w]}
    picks = [
        {"label": w, "url": f"?outcome={o}" if o else "?", "current": o == outcome, "count": counts[o] if o else None}
        for o, w in words.items()
    ]
    context = {
        "run": run,
        "rows": [{"row": r, "tone": looks[r.outcome]} for r in rows[:SHOWN]],
        "limit": SHOWN,
        "of": counts[outcome] if outcome in counts else sum(counts[o] for o in looks),
        "picks": picks,
        "shown": sum(counts[o] for o in looks),
        "open": run.state in (ImportRun.State.WAITING, ImportRun.State.RUNNING),
        "left": _left(run),
        "outcome": outcome,
        "leaving": outcome == "gone" and bool(run.source_key) and not run.dry_run and not run.choice,
        "permission": permissions.may_steward(viewer),
        "error": error,
    }
    template = "catalog/_import_run.html" if request.htmx else "catalog/import.html"  # type: ignore[attr-defined]
    return render(request, template, context, status=422 if error else 200)
