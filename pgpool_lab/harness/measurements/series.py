"""Which scenarios are measured together, and what is left to do of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.harness.scenarios import SCENARIOS
from pgpool_lab.paths import PROJECT

MEASUREMENTS = PROJECT / "docs" / "measurements"


@dataclass(frozen=True)
class Series:
    """Scenarios that make one table of the documentation."""

    name: str
    events: Mapping[str, str]
    """What happens, as the table names it, by the scenario's name."""
    runs: int
    """How often each is run unless said otherwise."""
    nodes: int = 2
    """A lab with fewer nodes lacks what the series is about."""

    @property
    def folder(self) -> Path:
        """Where its documents are committed."""
        return MEASUREMENTS / self.name

    def fitting(self, nodes: int) -> tuple[str, ...]:
        """The scenarios that a lab of `nodes` has enough nodes for."""
        return tuple(scenario for scenario in self.events if SCENARIOS[scenario].nodes <= nodes)


ALL = (
    Series(
        "failovers",
        {
            "procedure-1": "pgpool stops on the holder of the virtual IP",
            "pgpool-kill-on-both": "pgpool is killed on the holder",
            "procedure-2": "PostgreSQL stops on the primary",
            "postgresql-hang-on-both": "PostgreSQL hangs on the primary",
            "procedure-3": "primary and holder lose their power",
            "link-down-on-both": "the link of primary and holder goes down",
        },
        runs=5,
    ),
    Series(
        "hang",
        {"machine-power-off-on-both": "dropped", "power-off-without-mend": "kept"},
        runs=10,
        nodes=3,
    ),
    Series(
        "scenarios",
        {each.name: each.sentence for each in SCENARIOS.values() if not each.by_name_only},
        runs=1,
    ),
)

SERIES: dict[str, Series] = {series.name: series for series in ALL}


def series_named(name: str) -> Series:
    """A series by its name. Raises LabError that names the ones there are."""
    if name not in SERIES:
        raise LabError(f"there is no series {name!r}", f"choose one of {', '.join(SERIES)}")
    return SERIES[name]


def due(scenarios: Collection[str], there: Mapping[str, int], runs: int) -> list[tuple[int, str]]:
    """What is left to do, as (which run of it, scenario), when so many runs of each of the scenarios are there.

    All scenarios get their first run before one gets its second: what disturbs the machine for an hour then spreads
    over all of them, and a series that is broken off has something of each.
    """
    return [(number, each) for number in range(1, runs + 1) for each in scenarios if there.get(each, 0) < number]
