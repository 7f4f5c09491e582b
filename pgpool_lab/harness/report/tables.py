"""Writes the tables of docs/measurements.md from the committed documents: `python -m pgpool_lab.harness.report.tables`.

The tables of a series stand between two comments; everything else of the file is written by hand and stays.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.harness.measurements.document import Run, load_all
from pgpool_lab.harness.measurements.series import MEASUREMENTS
from pgpool_lab.harness.report import failovers, hang, scenarios
from pgpool_lab.harness.report.figures import by_place, failures
from pgpool_lab.progress import fail

PAGE = MEASUREMENTS.with_suffix(".md")

TABLES: dict[str, Callable[[Mapping[Path, Run]], list[str]]] = {
    "failovers": failovers.tables,
    "hang": hang.tables,
    "scenarios": scenarios.tables,
}
"""What makes each series' tables; its documents lie in the folder of the same name."""


def generate(page: str, measurements: Path) -> str:
    """The page with every series' region made anew from the folders below `measurements`.

    Raises LabError for a page without the two comments of a series, and for a file that is no document.
    """
    for name in TABLES:
        page = replace(page, name, region(name, load_all(measurements / name)))
    return page


def region(name: str, runs: Mapping[Path, Run]) -> list[str]:
    """A series' tables for each machine, with the runs that failed."""
    if not runs:
        return [f"Nothing was measured yet: `./lab measure {name} --stack STACK`."]
    lines: list[str] = []
    for where, some in by_place(runs).items():
        failed = failures(some, f"{MEASUREMENTS.name}/{name}")
        lines += [*([""] if lines else []), f"### {where}", "", *TABLES[name](some)]
        lines += ["", "Runs that failed:", "", *failed] if failed else []
    return lines


def replace(page: str, name: str, lines: list[str]) -> str:
    """The page with other lines between the comments of a region."""
    begin, end = f"<!-- {name}: generated, do not edit -->", f"<!-- {name}: end -->"
    before, found_begin, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise LabError(f"{PAGE.name} has no region {name!r}", f"put {begin} and {end} on two lines of it")
    return "\n".join([f"{before}{begin}", "", *lines, "", f"{end}{after}"])


if __name__ == "__main__":
    try:
        PAGE.write_text(generate(PAGE.read_text(), MEASUREMENTS))
    except LabError as error:
        sys.exit(fail(error))
