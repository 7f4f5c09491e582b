"""What is known of each pair of pgpool and PostgreSQL: pure, from the reports and the rules for versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from pgpool_lab.compatibility.documents import Asked, Live
from pgpool_lab.versions import pgpool
from pgpool_lab.versions.numbers import parse
from pgpool_lab.versions.support import Choice, wrong_pair

PROCEDURE = (("scenario_1", "procedure-a"), ("scenario_2", "procedure-b"), ("scenario_3", "procedure-3"))
"""The runbook's three scenarios: parts of the names of tests, of which a pair must have passed one each to count as
live-tested. On three nodes the first two are the first steps of a and b."""


class State(Enum):
    """In the order of what they prove."""

    LIVE = "live-tested"
    FAILS = "fails"
    CONFIGURED = "configuration-tested"
    RENDERED = "rendered only"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class Cell:
    """What is known of one pair. `why` is empty for a pair that passed."""

    state: State
    why: str = ""


def releases(reports: Iterable[Asked | Live]) -> list[str]:
    """pgpool's releases that have a line: those that tests render for, and those that a lab ran."""
    ran = {report.lab.pgpool for report in reports if isinstance(report, Live)}
    return sorted({*pgpool.RELEASES, *ran}, key=parse)


def cell(release: str, server: str, reports: Sequence[Asked | Live]) -> Cell:
    """The best that is known of a pair, and what is missing for better.

    A live run that failed anywhere shows as such until a run with the same settings replaces it.
    """
    if reason := unsupported(release, server):
        return Cell(State.UNSUPPORTED, reason)
    runs = [
        run for run in reports if isinstance(run, Live) and (run.lab.pgpool, run.lab.postgresql) == (release, server)
    ]
    judges = {("pgpool", release): "the samples of pgpool", ("postgresql", server): "the server program of PostgreSQL"}
    verdicts: dict[tuple[str, str], tuple[str, ...]] = {
        (one.judge.program, one.judge.version): one.refused for one in reports if isinstance(one, Asked)
    }
    failed = {name for run in runs for name in run.failed}
    if failed := failed.union(*(verdicts.get(key, ()) for key in judges)):
        return Cell(State.FAILS, ", ".join(sorted(failed)))
    if any(complete(run) for run in runs):
        return Cell(State.LIVE)
    missing = [f"{words} {key[1]}" for key, words in judges.items() if key not in verdicts]
    return Cell(State.RENDERED, f"not at hand: {', '.join(missing)}") if missing else Cell(State.CONFIGURED)


def complete(run: Live) -> bool:
    """Whether the runbook's three scenarios are among what passed."""
    return all(any(part in name for part in parts for name in run.passed) for parts in PROCEDURE)


def unsupported(release: str, server: str) -> str | None:
    """Why the settings refuse a pair whatever the way to authenticate; None when they don't."""
    reasons = [
        [str(refusal) for refusal in wrong_pair(Choice("", server, release, "", auth))]
        for auth in sorted(pgpool.traits(release).authentication)
    ]
    return reasons[0][0] if all(reasons) else None
