"""Figures of several runs as the cells of a Markdown table. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import median

from pgpool_lab.harness.comparison import in_words
from pgpool_lab.harness.measurements.document import Configuration, Episode, Host, Run
from pgpool_lab.settings.presets import PRESETS as PRESET_TIMINGS
from pgpool_lab.settings.presets import Value

NOTHING = "\N{EN DASH}"
PRESETS = ("fast", "procedure")
REPLICATIONS = ("async", "sync")
LABS = {"two nodes": (2, False), "two nodes and a witness": (2, True), "three nodes": (3, False)}
"""Number of database nodes, and whether there is a witness."""


def combinations(runs: Mapping[Path, Run]) -> list[tuple[str, str]]:
    """The presets and kinds of replication of some runs, in the order in which tables show them."""
    there = {(run.subject.preset, run.subject.replication) for run in runs.values()}
    return [each for each in product(PRESETS, REPLICATIONS) if each in there]


def chosen(runs: Mapping[Path, Run], scenario: str, preset: str, replication: str, lab: str) -> list[Run]:
    """The runs of one scenario on labs of one configuration."""
    wanted = (scenario, preset, replication, *LABS[lab])
    return [
        run
        for run in runs.values()
        if (run.subject.scenario, run.subject.preset, run.subject.replication, run.nodes, run.witness) == wanted
    ]


def spread(values: Sequence[float]) -> str:
    """`9.1 / 9.8`: median and worst, in seconds."""
    return f"{seconds(median(values))} / {seconds(max(values))}" if values else NOTHING


def seconds(value: float) -> str:
    """One decimal; what lasted until the repair has no length of its own."""
    return "repair" if math.isinf(value) else f"{value:.1f}"


def measured(runs: Sequence[Run], measure: str) -> str:
    """`9.1 / 9.8 of 28.0`: median and worst of a measure, by its field's name, and the strictest bound of these runs.

    `(in 4)` follows where not every run has it: nobody saw it happen, or it was not measured yet.
    """
    values, limit = figures([run.episode for run in runs], measure)
    some = f" (in {len(values)})" if 0 < len(values) < len(runs) else ""
    return f"{spread(values)}{limit}{some}"


def worst(episodes: Iterable[Episode | None], measure: str) -> str:
    """`9.8 of 28.0`: the worst of a measure, and the strictest bound."""
    values, limit = figures(episodes, measure)
    return f"{seconds(max(values))}{limit}" if values else NOTHING


def figures(episodes: Iterable[Episode | None], measure: str) -> tuple[list[float], str]:
    """The values of a measure that there are, and the strictest bound as ` of 28.0`; empty without either."""
    there = [episode for episode in episodes if episode is not None]
    values = [value for episode in there if (value := episode.value(measure)) is not None]
    bounds = [bound for episode in there if (bound := episode.bound(in_words(measure))) is not None]
    return values, f" of {min(bounds):.1f}" if values and bounds else ""


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [line(heading), line(["---"] * len(heading)), *(line(row) for row in rows)]


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def by_place(runs: Mapping[Path, Run]) -> dict[str, dict[Path, Run]]:
    """Runs on comparable machines and versions together, under words for these."""
    found: dict[str, dict[Path, Run]] = {}
    for path, run in runs.items():
        found.setdefault(place(run), {})[path] = run
    return dict(sorted(found.items()))


def place(run: Run) -> str:
    """What figures depend on besides the lab's configuration."""
    versions = run.subject.versions
    known = {"postgresql": "PostgreSQL ", "pgpool": "pgpool-II ", "distribution": ""}
    software = ", ".join(f"{known[name]}{versions[name]}" for name in known if name in versions)
    then = "".join(f", {name} {value}" for name, value in changed_since(run.subject).items())
    return f"{machine(run.subject.machine)}: {software}{then}"


def changed_since(subject: Configuration) -> dict[str, Value]:
    """The timings that the preset had when the run was made, where it has others now."""
    now = PRESET_TIMINGS.get(subject.preset, {})
    return {name: value for name, value in subject.timings.items() if now.get(name, value) != value}


def machine(host: Host) -> str:
    how = "with KVM" if host.domain_type == "kvm" else "without KVM"
    processors = f"{host.node_processors} processor{'s' if host.node_processors > 1 else ''} a node"
    return f"{host.cores} cores ({host.processor}), {how}, {processors}"


def lost(runs: Sequence[Run]) -> int | str:
    """Acknowledged rows that were lost in all runs together; NOTHING when nobody could say it of one of them."""
    counts = [run.result.counts.lost for run in runs]
    return NOTHING if None in counts else sum(len(rows) for rows in counts if rows is not None)


def failures(runs: Mapping[Path, Run], folder: str) -> list[str]:
    """The runs that failed, each with what was found first and a link to its document below `folder`."""
    return [f"- [{path.stem}]({folder}/{path.name}): {reason(run)}" for path, run in runs.items() if not run.passed]


def reason(run: Run) -> str:
    """What was violated goes before what was expected, and that before a time that was exceeded."""
    result = run.result
    exceeded = [one.name for episode in result.episodes for one in episode.comparisons if not one.within]
    sentences = [
        *(f"{one.name}: {one.sentence}" for one in result.violations),
        *result.unmet,
        *(f"exceeded: {name}" for name in exceeded),
    ]
    return next(iter(sentences), "it says no reason")
