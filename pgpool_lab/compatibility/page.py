"""docs/compatibility.md from the committed reports: `python -m pgpool_lab.compatibility.page [REPORT.xml …]`.

Given reports of tests (the XML files of `./lab test`), what they say of versions is put among the committed documents
first.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pgpool_lab.compatibility.documents import Asked, Live, load, of_junit, store
from pgpool_lab.compatibility.matrix import State, cell, complete, releases
from pgpool_lab.errors import LabError
from pgpool_lab.harness.report.figures import NOTHING, table
from pgpool_lab.paths import PROJECT
from pgpool_lab.progress import fail
from pgpool_lab.versions.numbers import parse
from pgpool_lab.versions.postgresql import SERIES

REPORTS = PROJECT / "docs" / "compatibility"
PAGE = REPORTS.with_suffix(".md")

MARKS = {
    State.LIVE: "**live**",
    State.FAILS: "fails",
    State.CONFIGURED: "configuration",
    State.RENDERED: "rendered",
    State.UNSUPPORTED: NOTHING,
}
"""A cell's word; the numbers that follow some name a reason below the table."""

COMMIT_LENGTH = 12
"""Enough for git to find it."""

HEAD = """\
# Compatibility

Generated from what tests reported (the documents in [compatibility/](compatibility/)); do not edit. To add a run:
`./lab test`, then `.venv/bin/python -m pgpool_lab.compatibility.page reports/TIME/*.xml`. Configurations are tested by
what lies in the folders `LAB_PGPOOL_SAMPLES` and `LAB_POSTGRESQL_BINARIES` (`tests/unit/test_version_matrix.py`).

| word | meaning |
| --- | --- |
| **live** | live-tested: the runbook's three scenarios passed on a lab of these versions (with three nodes \
`procedure-a` and `-b` stand for the first two), and of each test the last result is no failure |
| fails | tests failed on a lab of these versions, or the samples or the program of one refused a configuration |
| configuration | configuration-tested: that release's own samples name every parameter of the `pgpool.conf`, and that \
version's own server program has read the `postgresql.conf`, which the lab renders for them |
| rendered | supported by the rules for versions, and rendered; a sample or program of one of them was not at hand |
| \N{EN DASH} | unsupported: refused before anything is created |

## pgpool-II by PostgreSQL
"""


LIMITS = """\
## What a version cannot do, whatever its cell says

- pgpool-II 3.5 to 4.2: stopped on two of three nodes, one after the other, it leaves nobody with the virtual IP
  ([three-nodes.md](three-nodes.md)).
- pgpool-II 3.2 to 3.4: which member leads is no majority's vote; a witness is refused.
- PostgreSQL 9.4 has no pg_rewind: a node that has more than the new primary gets a base backup. No setting asks for
  pg_rewind, so nothing is refused.
"""


def generate(reports: Sequence[Asked | Live]) -> str:
    """The whole page."""
    return "\n".join([HEAD, *matrix(reports), "", "## Live runs", "", *runs(reports), *asked(reports), "", LIMITS])


def matrix(reports: Sequence[Asked | Live]) -> list[str]:
    """The table of pairs, and the reasons that its numbers stand for."""
    reasons: list[str] = []

    def word(release: str, server: str) -> str:
        known = cell(release, server, reports)
        if not known.why:
            return MARKS[known.state]
        if known.why not in reasons:
            reasons.append(known.why)
        return f"{MARKS[known.state]} ({reasons.index(known.why) + 1})"

    rows = [[release, *(word(release, server) for server in SERIES)] for release in releases(reports)]
    numbered = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    return [*table(["pgpool", *SERIES], rows), *(["", *numbered] if numbered else [])]


def runs(reports: Sequence[Asked | Live]) -> list[str]:
    """A line for each lab that live tests ran on."""
    rows = [
        [
            run.lab.stack,
            str(run.lab.nodes),
            run.lab.distribution,
            run.lab.postgresql,
            run.lab.pgpool,
            run.lab.preset,
            "yes" if complete(run) else "no",
            str(len(run.passed)),
            ", ".join(run.failed) or "none",
            ", ".join(short(commit) for commit in (*run.earlier, run.lab.commit)),
        ]
        for run in reports
        if isinstance(run, Live)
    ]
    heading = ["stack", "nodes", "distribution", "PostgreSQL", "pgpool", "timings", "scenarios 1\N{EN DASH}3", "passed"]
    return table([*heading, "failed", "commits"], rows) if rows else ["No report of a live run has been put here yet."]


def short(commit: str) -> str:
    """As much of a commit as git needs to find it, and whether the checkout had changes beside it."""
    digits, dash, dirty = commit.partition("-")
    return f"{digits[:COMMIT_LENGTH]}{dash}{dirty}"


def asked(reports: Sequence[Asked | Live]) -> list[str]:
    """What judged configurations."""
    judges = [one.judge for one in reports if isinstance(one, Asked)]
    lines = ["", "## Asked for their configuration", ""]
    for what, by in (("samples of pgpool-II", "sample"), ("server programs of PostgreSQL", "binary")):
        versions = sorted((judge.version for judge in judges if judge.by == by), key=parse)
        lines.append(f"- {what}: {', '.join(versions) or 'none'}")
    return lines


def main(files: Sequence[str]) -> None:
    """Put what the reports of tests say among the documents, then write the page. Raises LabError."""
    for file in files:
        store(REPORTS, of_junit(Path(file)))
    PAGE.write_text(generate(load(REPORTS)))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except LabError as error:
        sys.exit(fail(error))
