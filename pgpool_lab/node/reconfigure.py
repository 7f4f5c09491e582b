"""Makes the running servers take settings that were written while they ran; who is primary stays as it is.

pgpool would take a planned restart for a failure and promote another node, and its checks would fail while the way to
log in changes: for both it is stopped everywhere first. `settle` starts it again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import health, locks
from .cluster import (
    STEP_SECONDS,
    WAIT_SECONDS,
    ask_all,
    claim,
    on_node,
    standbys_of,
    stop_pgpool,
)
from .configuration import Config, Refused, StepFailed
from .join import answer_of, parse_lsn, unanswered
from .settings import Pending

AT_LEAST_THE_PRIMARY_S = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)
"""A standby with less of these than its primary does not go on (PostgreSQL manual, "Hot Standby", "Administrator's
Overview")."""


class Unread(NamedTuple):
    """What has to be done, from what every node says."""

    reload: tuple[str, ...] = ()
    """Running nodes that are to read their files again."""
    primary: str | None = None
    stop: tuple[str, ...] = ()
    """Nodes to stop instead: without a primary nothing is written, and the rules of join start them again."""
    without_pgpool: bool = False
    """Whether pgpool must not see it."""


class Restarts(NamedTuple):
    """Nodes to restart, one after the other."""

    order: tuple[str, ...] = ()
    replayed: bool = False
    """Whether a standby must first have replayed what its primary wrote at its start."""


def unread(answers: Mapping[str, Mapping[str, Any] | None]) -> Unread:
    """Which running servers have not read what was written for them.

    Two primaries are left to the rules of join, which refuse them; so is the want of a primary while somebody who may
    be it does not answer. A stopped server reads everything at its start.
    """
    late = {
        name: facts["postgres"]["unread"]
        for name, facts in answers.items()
        if facts is not None and facts["postgres"]["running"] and facts["postgres"].get("unread")
    }
    primaries = health.primaries(answers)
    if not late or len(primaries) > 1:
        return Unread()
    if not primaries:
        if any(unanswered(answer_of(name, facts)) for name, facts in answers.items()):
            return Unread()
        return Unread(stop=tuple(late), without_pgpool=True)
    return Unread(tuple(late), primaries[0], without_pgpool=any("access" in what for what in late.values()))


def restarts(primary: str, pending: Mapping[str, Sequence[Pending]]) -> Restarts:
    """In which order the nodes are restarted that have settings waiting for it. Raises Refused.

    The primary goes first: its standbys then replay what it has written, and follow it to another port. A raised limit
    that a standby must not be below turns this round.
    """
    nodes = [name for name, waiting in pending.items() if waiting]
    changes = [direction(each) for waiting in pending.values() for each in waiting]
    standbys = [name for name in nodes if name != primary]
    leader = [primary] if primary in nodes else []
    raised, lowered = "raised" in changes, "lowered" in changes
    if raised and lowered:
        names = sorted({each.name for waiting in pending.values() for each in waiting if direction(each)})
        raise Refused(
            f"{', '.join(names)}: a standby must never have less of these than its primary, so some cannot be raised "
            "while others are lowered; raise first, then lower"
        )
    return Restarts(tuple([*standbys, *leader] if raised else [*leader, *standbys]), replayed=lowered)


def direction(pending: Pending) -> str | None:
    """`raised` or `lowered` for a limit that standby and primary compare; None for every other parameter.

    One that was removed from the files goes back to a default, which is lower than what somebody had set.
    """
    if pending.name not in AT_LEAST_THE_PRIMARY_S:
        return None
    return "raised" if pending.written is not None and int(pending.written) > int(pending.in_force) else "lowered"


def reconfigure(config: Config) -> list[str]:
    """Carry out what `unread` and `restarts` say; the steps taken. Raises Refused or StepFailed.

    What fails half-way is done when it is repeated: a server that took its settings no longer counts.
    """
    done: list[str] = []
    with locks.JOIN.open("w") as lock:
        answers = claim(config, lock)
        needed = unread(answers)
        if needed.without_pgpool:
            refuse_silent(answers)
            done += stop_pgpool(config, answers)
        for name in needed.stop:
            on_node(config, name, ["local", "stop"], seconds=STEP_SECONDS)
            done.append(f"stop {name}")
        if needed.primary is None:
            return done
        pending: dict[str, list[Pending]] = {}
        for name in needed.reload:
            words = ["local", "reload", *role(name, needed.primary)]
            rows = json.loads(on_node(config, name, words, seconds=STEP_SECONDS).splitlines()[-1])
            pending[name] = [Pending(*row) for row in rows]
            done.append(f"reload {name}")
        plan = restarts(needed.primary, pending)
        if not plan.order:
            return done
        if not needed.without_pgpool:
            refuse_silent(answers)
            done += stop_pgpool(config, answers)
        for name in plan.order:
            if plan.replayed and name != needed.primary:
                wait_until_replayed(config, needed.primary, name)
            on_node(config, name, ["local", "restart"], seconds=STEP_SECONDS)
            done.append(f"restart {name}")
        wait_until_streaming(config, needed.primary, standbys_of(needed.primary, answers))
    return done


def refuse_silent(answers: Mapping[str, Mapping[str, Any] | None]) -> None:
    """Raise Refused while a node does not answer: its pgpool may run, would see a failure and promote another."""
    if silent := [name for name, facts in answers.items() if facts is None]:
        raise Refused(
            f"{', '.join(silent)}: no answer, and a pgpool there would take a restart of the primary for its failure; "
            "repeat ./lab up when it answers"
        )


def role(name: str, primary: str) -> list[str]:
    """The option that says whom a node follows: the primary follows nobody."""
    return [] if name == primary else ["--primary", primary]


def wait_until_replayed(config: Config, primary: str, standby: str) -> None:
    """Wait until a standby has replayed what the primary had written when this was called."""
    target: int | None = None
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        facts = ask_all(config)[primary]
        if facts and facts["postgres"]["lsn"]:
            target = target if target is not None else parse_lsn(facts["postgres"]["lsn"])
            replayed = {each["name"]: each["replay_lsn"] for each in facts["postgres"]["replicas"]}
            if replayed.get(standby) and parse_lsn(replayed[standby]) >= target:
                return
        time.sleep(1)
    raise StepFailed(f"{standby} did not replay the WAL of {primary} within {WAIT_SECONDS} s; see postgresql.log on it")


def wait_until_streaming(config: Config, primary: str, standbys: Sequence[str]) -> None:
    """Wait until the standbys stream again: the rules of join would restart one that does not."""
    deadline = time.monotonic() + WAIT_SECONDS
    while missing := set(standbys) - set(standbys_of(primary, ask_all(config))):
        if time.monotonic() > deadline:
            names = ", ".join(sorted(missing))
            raise StepFailed(f"{names} does not stream from {primary} after {WAIT_SECONDS} s; see postgresql.log on it")
        time.sleep(1)
