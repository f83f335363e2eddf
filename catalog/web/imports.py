"""Bulk imports: those so far, a small one by upload, and the report of one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

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
                defaults={"owner_team": form.cleaned_data["owner_team"]},
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
            "known": selectors.source_names(viewer),
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


def _looks(dry_run: bool) -> dict[str, Tone]:
    """What became of a row, in words: a dry run has made nothing."""
    return {
        "created": tones.quiet("Would be created", "plus") if dry_run else tones.ok("Created"),
        "changed": tones.quiet("Would be changed", "change") if dry_run else tones.ok("Changed"),
        "unchanged": tones.quiet("Unchanged"),
        "refused": tones.stop("Not understood"),
    }


@require_GET
def import_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """The report of one import, for who began it and for architects. While it runs, the page asks again every two
    seconds."""
    run = selectors.one(Viewer.of(request.user), run_id)
    outcome = request.GET.get("outcome", "")
    rows = run.rows.all()
    counts = {o: run.rows.filter(outcome=o).count() for o in ("created", "changed", "unchanged", "refused")}
    told = {"noticed": "import.noticed", "differs": "import.differs", "gone": "import.gone"}
    counts |= {word: run.rows.filter(code=code).count() for word, code in told.items()}
    if outcome in told:
        rows = rows.filter(code=told[outcome])
    elif outcome in counts:
        rows = rows.filter(outcome=outcome)
    looks = _looks(run.dry_run)
    words = {"": "All", **{o: tone.word for o, tone in looks.items()}, "noticed": "With remarks"}
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
    }
    template = "catalog/_import_run.html" if request.htmx else "catalog/import.html"  # type: ignore[attr-defined]
    return render(request, template, context)
