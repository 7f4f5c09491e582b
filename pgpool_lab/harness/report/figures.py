"""Figures of several runs as the cells of a Markdown table. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from pgpool_lab.harness.comparison import in_words
from pgpool_lab.harness.measurements.document import Host, Run

NOTHING = "\N{EN DASH}"
PRESETS = ("fast", "procedure")
REPLICATIONS = ("async", "sync")


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
    episodes = [episode for run in runs if (episode := run.episode) is not None]
    values = [value for episode in episodes if (value := episode.value(measure)) is not None]
    bounds = [bound for episode in episodes if (bound := episode.bound(in_words(measure))) is not None]
    limit = f" of {min(bounds):.1f}" if values and bounds else ""
    some = f" (in {len(values)})" if 0 < len(values) < len(runs) else ""
    return f"{spread(values)}{limit}{some}"


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
    return f"{machine(run.subject.machine)}: {software}"


def machine(host: Host) -> str:
    how = "with KVM" if host.domain_type == "kvm" else "without KVM"
    processors = f"{host.node_processors} processor{'s' if host.node_processors > 1 else ''} a node"
    return f"{host.cores} cores ({host.processor}), {how}, {processors}"


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
