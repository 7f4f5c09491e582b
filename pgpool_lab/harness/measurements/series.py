"""Which scenarios are measured together, and what is left to do of them."""

from __future__ import annotations

from collections.abc import Mapping
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

    @property
    def folder(self) -> Path:
        """Where its documents are committed."""
        return MEASUREMENTS / self.name

    @property
    def nodes(self) -> int:
        """How many nodes it takes at least."""
        return max(SCENARIOS[scenario].nodes for scenario in self.events)


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
    ),
)

SERIES: dict[str, Series] = {series.name: series for series in ALL}


def series_named(name: str) -> Series:
    """A series by its name. Raises LabError that names the ones there are."""
    if name not in SERIES:
        raise LabError(f"there is no series {name!r}", f"choose one of {', '.join(SERIES)}")
    return SERIES[name]


def due(series: Series, there: Mapping[str, int], runs: int) -> list[tuple[int, str]]:
    """What is left to do, as (which run of it, scenario), when so many runs of each scenario are there.

    All scenarios get their first run before one gets its second: what disturbs the machine for an hour then spreads
    over all of them, and a series that is broken off has something of each.
    """
    rounds = range(1, runs + 1)
    return [(number, scenario) for number in rounds for scenario in series.events if there.get(scenario, 0) < number]
