"""The page: a table of all runs, then for each its timeline, its figures beside their bounds, and what was violated."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pgpool_lab.harness.bounds import Bounds, Term
from pgpool_lab.harness.comparison import Comparison
from pgpool_lab.harness.recording import Recording, load_all
from pgpool_lab.harness.report.picture import timeline

PAGE = "index.html"


def build(reports: Path) -> Path | None:
    """Write `index.html` beside the runs' folders in `reports`, and give its path; None when there is no run.

    The page needs no other file and no network.
    """
    recordings = list(load_all(reports))
    if not recordings:
        return None
    path = reports / PAGE
    path.write_text(page(recordings))
    return path


def page(recordings: Sequence[Recording]) -> str:
    """The page of some runs, in their order."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"seconds": in_seconds, "date": date}
    runs = [
        {
            "result": recording.result,
            "picture": Markup(timeline(recording)),
            "terms": {
                comparison.name: terms(recording.result.bounds, comparison)
                for comparison in recording.result.comparisons
            },
        }
        for recording in recordings
    ]
    return environment.get_template("page.html.j2").render(runs=runs)


def terms(bounds: Bounds, comparison: Comparison) -> Iterable[Term]:
    """What a bound is made of; nothing where nothing is expected."""
    for field in Bounds.model_fields:
        if field.removesuffix("_seconds").replace("_", " ") == comparison.name:
            bound = getattr(bounds, field)
            return () if bound is None else tuple(bound.terms)
    raise ValueError(f"there is no bound {comparison.name!r}")


def in_seconds(value: float | None) -> str:
    """A figure as the page shows it."""
    return "\N{EN DASH}" if value is None else f"{value:.1f} s"


def date(wall: float) -> str:
    """A moment in coordinated universal time."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(wall))
