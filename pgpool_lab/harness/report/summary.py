"""A short table for a terminal: every disturbance's outages beside their bounds, and what each run came to."""

from __future__ import annotations

from collections.abc import Sequence

from pgpool_lab.harness.comparison import Comparison
from pgpool_lab.harness.result import Episode, Result

MEASURES = (
    "write outage",
    "write outage by dsn_all",
    "read outage",
    "vip outage",
    "detection",
    "promotion",
    "belief",
    "takeover",
)
HEADING = (
    "scenario",
    "stack",
    "struck",
    "writes",
    "dsn_all",
    "reads",
    "VIP",
    "detection",
    "promotion",
    "belief",
    "takeover",
    "lost",
    "",
)
NOTHING = "-"


def lines(results: Sequence[Result]) -> list[str]:
    """The table of some runs, in seconds, then what was wrong with those that failed; empty for no runs."""
    if not results:
        return []
    rows = [HEADING, *(row for result in results for row in rows_of(result))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADING))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*table, *(line for result in results for line in complaints(result))]


def rows_of(result: Result) -> list[tuple[str, ...]]:
    """One row a disturbance; one all the same for a run that had none."""
    subject = result.subject
    verdict = "passed" if result.passed else "FAILED"
    lost = NOTHING if result.counts.lost is None else str(len(result.counts.lost))
    empty = (NOTHING,) * (len(MEASURES) + 1)
    figures = [figures_of(episode) for episode in result.episodes] or [empty]
    first, *others = figures
    return [(subject.scenario, subject.stack, *first, lost, verdict), *(("", "", *more, "", "") for more in others)]


def figures_of(episode: Episode) -> tuple[str, ...]:
    """What was struck, then every measure."""
    by_name = {one.name: one for one in episode.comparisons}
    return f"{episode.name} on {'+'.join(episode.nodes)}", *(cell(by_name[name]) for name in MEASURES)


def cell(one: Comparison) -> str:
    """`8.1 of 28.0`: measured, and its bound; an exclamation mark for what exceeds it."""
    limit = "" if one.bound is None else f" of {one.bound.seconds:.1f}"
    if one.measured is None:
        return NOTHING if one.within else f"never{limit} !"
    return f"{one.measured:.1f}{'' if one.ended else ', not over'}{limit}{'' if one.within else ' !'}"


def complaints(result: Result) -> list[str]:
    """What a run must be held against, and what was expected of it alone."""
    name = f"{result.subject.scenario} ({result.subject.stack})"
    return [
        *(f"{name}: not as expected: {sentence}" for sentence in result.unmet),
        *(
            f"{name}: exceeded: {one.name} after {episode.name}: {cell(one)}"
            for episode in result.episodes
            for one in episode.comparisons
            if not one.within
        ),
        *(f"{name}: violated: {one.name}: {one.sentence}" for one in result.violations),
        *(f"{name}: no failure here: {one.name}: {one.sentence}" for one in result.expected),
    ]
