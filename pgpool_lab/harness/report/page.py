"""The page: a table of all runs, then for each its timeline, its figures beside their bounds, and what was violated."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pgpool_lab.harness.comparison import Comparison
from pgpool_lab.harness.recording import Recording, load_all
from pgpool_lab.harness.report.picture import timeline
from pgpool_lab.harness.result import Result

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
            "writes": worst(recording.result, "write outage"),
            "by_all": worst(recording.result, "write outage by dsn_all"),
            "reads": worst(recording.result, "read outage"),
        }
        for recording in recordings
    ]
    return environment.get_template("page.html.j2").render(runs=runs)


def worst(result: Result, name: str) -> Comparison | None:
    """The longest outage of all episodes, beside its bound."""
    found = [one for episode in result.episodes for one in episode.comparisons if one.name == name]
    return max(found, key=lambda one: one.measured or 0.0, default=None)


def in_seconds(value: float | None) -> str:
    """A figure as the page shows it."""
    return "\N{EN DASH}" if value is None else f"{value:.1f} s"


def date(wall: float) -> str:
    """A moment in coordinated universal time."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(wall))
