"""From a run of a scenario to its recording: what was struck, how long that may be felt, what may be lost. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.errors import LabError
from pgpool_lab.harness.bounds import Bounds, Struck, Watched, bounds
from pgpool_lab.harness.confirmation import broken_promises, waits
from pgpool_lab.harness.faults import FAULTS, Losses
from pgpool_lab.harness.faults.model import BACK_SECONDS
from pgpool_lab.harness.invariants.model import (
    ALONE_SECONDS,
    TOLD_SECONDS,
    UNAWARE_SECONDS,
    Evidence,
    Expectations,
    Resumption,
    Rows,
    Violation,
)
from pgpool_lab.harness.invariants.table import splits
from pgpool_lab.harness.machine import Machine
from pgpool_lab.harness.measures import PAUSE_SECONDS, Gap, Window, measure, says_primary
from pgpool_lab.harness.observer.node_watch import SILENT_SECONDS
from pgpool_lab.harness.observer.observer import NODE_INTERVAL
from pgpool_lab.harness.recording import Recording
from pgpool_lab.harness.result import Disturbance, Subject, Times, judge
from pgpool_lab.harness.samples import NodeSample
from pgpool_lab.harness.scenarios.losses import commits_wait, losses_of, without_postgresql
from pgpool_lab.harness.scenarios.run import Event, ScenarioRun
from pgpool_lab.harness.timing import delay_seconds
from pgpool_lab.harness.workload.settings import WorkloadSettings
from pgpool_lab.node.watch import VIEW_SECONDS
from pgpool_lab.versions.pgpool import traits
from pgpool_lab.waiting import factor

LOGIN_SECONDS = 5.0
"""pgpool ends its sessions with a failover; the next login takes so long on an emulated node."""

EVERYTHING = Struck(primary="silent", holder="silent")
"""Its bounds are made of every parameter that any bound is made of."""

UNSENT_SECONDS = 3.0
"""How long before its end a primary may have acknowledged what no standby has received yet, on a busy machine. Clients
write for longer before the first fault: some of those rows must not be lost."""

STOPPED = Violation(
    name="stopped instead",
    at=None,
    sentence="the nodes that were cut from each other did not split: one side gave way, or no client could write",
    evidence=(),
)
NEITHER = "the nodes that were cut from each other neither split nor stopped: the fault was not felt"


@dataclass(frozen=True)
class Place:
    """What a run doesn't know of where it ran."""

    outputs: LabOutputs
    preset: str
    machine: Machine


def watched_on(nodes: int) -> Watched:
    """What the clients and the observer, as they are, add to every figure on a lab of `nodes`."""
    clients = WorkloadSettings()
    return Watched(
        client_seconds=clients.return_seconds(),
        by_dsn_all_seconds=clients.return_seconds_by_dsn_all(nodes),
        sampling_seconds=NODE_INTERVAL + SILENT_SECONDS,
        view_seconds=VIEW_SECONDS + LOGIN_SECONDS,
    )


def check(outputs: LabOutputs) -> None:
    """Raise LabError, before anything is broken, for a lab whose timings give no bounds."""
    try:
        bounds(
            outputs.timings,
            members=len(outputs.machines),
            asks_again=new_leader_asks_again(outputs),
            struck=EVERYTHING,
            watched=watched_on(len(outputs.nodes)),
        )
    except ValueError as error:
        raise LabError(
            f"no run could be judged: {error}",
            "pgpool.parameters in the stack's settings turns it on; ./lab up",
        ) from None


def assess(run: ScenarioRun, place: Place, rows: Mapping[str, Rows | None]) -> Recording:
    """Judge a run by the invariants and bounds; `rows` are each node's own in the end.

    Raises ValueError for timings that `check` refuses.
    """
    outputs = place.outputs
    evidence = evidence_of(run, outputs, rows)
    disturbances = tuple(disturbances_of(run, outputs))
    cut = answer_to_a_cut(evidence, disturbances)
    result = judge(
        subject_of(run, place),
        times_of(run),
        evidence,
        disturbances,
        unmet=[*unmet(run), *([NEITHER] if cut == "neither" else []), *broken_promises(run, outputs)],
        told=[*([STOPPED] if cut == "stopped" else []), *waits(run, outputs)],
    )
    return Recording(result, run.samples, run.ledger)


def subject_of(run: ScenarioRun, place: Place) -> Subject:
    """What was run, and on what."""
    outputs = place.outputs
    return Subject(
        scenario=run.scenario,
        sentence=run.sentence,
        stack=run.stack,
        preset=place.preset,
        timings=outputs.timings,
        replication=outputs.replication,
        versions=outputs.versions,
        macs=macs_of(outputs),
        machine=place.machine,
    )


def times_of(run: ScenarioRun) -> Times:
    """The run's own times; mending begins with the first healing or restoring."""
    repairs = [event.earliest for event in run.events if event.kind in ("heal", "restore")]
    return Times(begin=run.began, repair=min(repairs, default=None), end=run.ended, wall=run.wall)


def evidence_of(run: ScenarioRun, outputs: LabOutputs, rows: Mapping[str, Rows | None]) -> Evidence:
    """What was recorded, beside what this lab and this scenario promise."""
    resumed = tuple(resumptions(run))
    expected = Expectations(
        replication=outputs.replication,
        macs=macs_of(outputs),
        losable=(
            *(losable(event, run) for event in run.events if takes_rows(event, run, outputs)),
            *((one.earliest, one.told) for one in resumed),
        ),
        resumed=resumed,
        split=split_window(run) if run.may_split else None,
        delay_seconds=factor() * delay_seconds(outputs.timings),
        told_seconds=factor() * (ALONE_SECONDS if fail_over_alone(outputs) else TOLD_SECONDS),
        told_until=min((event.earliest for event in run.events if parts_views(event)), default=run.ended),
    )
    return Evidence(samples=run.samples, ledger=run.ledger, rows=rows, expected=expected)


def fail_over_alone(outputs: LabOutputs) -> bool:
    """Whether every pgpool finds out and acts by itself."""
    return traits(outputs.versions["pgpool"]).failover_command_runs_on == "every"


def new_leader_asks_again(outputs: LabOutputs) -> bool:
    """Whether pgpool tells what its checks last said, which the escalation asks (escalation.sh.j2)."""
    return traits(outputs.versions["pgpool"]).health_statistics


def disturbances_of(run: ScenarioRun, outputs: LabOutputs) -> Iterator[Disturbance]:
    """Every fault and switchover with its window; what one step did to several nodes is one."""
    for step, window in run.windows.items():
        events = [event for event in run.events if event.step == step]
        nodes = tuple(node for event in events for node in event.nodes)
        away = without_postgresql(event for event in run.events if event.step <= step)
        yield Disturbance(events[0].name, nodes, Window(*window), bounds_of(events[0], nodes, away, outputs))


def bounds_of(event: Event, nodes: tuple[str, ...], away: Collection[str], outputs: LabOutputs) -> Bounds | None:
    """How long a fault on `nodes` may be felt; None where nothing must fail over, or nobody is left to.

    `away`: the nodes whose PostgreSQL is gone by then.
    """
    losses = losses_of(event)
    struck = struck_by(losses, event, nodes)
    size = len(outputs.nodes)
    if losses is None or struck is None or len(nodes) == size:
        return None
    found = bounds(
        outputs.timings,
        members=len(outputs.machines),
        asks_again=new_leader_asks_again(outputs),
        confirmed=outputs.replication == "sync",
        struck=struck,
        watched=watched_on(size),
        multiplier=factor(),
    )
    if not commits_wait(outputs, away):
        return found
    return found.model_copy(update={"write_outage": None, "write_outage_by_dsn_all": None})


def struck_by(losses: Losses | None, event: Event, nodes: tuple[str, ...]) -> Struck | None:
    """What a fault on `nodes` takes from the cluster; None for nothing, or where nobody knows."""
    if losses is None or (losses.postgresql is None and losses.pgpool is None):
        return None
    return Struck(
        primary=losses.postgresql if set(nodes) & set(event.primaries) else None,
        standby=losses.postgresql if set(nodes) - set(event.primaries) else None,
        holder=losses.pgpool if set(nodes) & set(event.holders) else None,
        pgpool_alone=losses.postgresql is None,
    )


def takes_rows(event: Event, run: ScenarioRun, outputs: LabOutputs) -> bool:
    """Whether an event may take acknowledged rows from a cluster that replicates asynchronously.

    Nobody is promoted where all nodes are struck at once: the primary comes back with all that it has written.
    """
    if event.kind != "fault":
        return False
    losses = losses_of(event)
    together = {node for other in run.events if other.step == event.step for node in other.nodes}
    everybody = together == {node.name for node in outputs.nodes}
    # Where nodes may split, a half without the primary may make one of its own.
    struck = bool(set(event.nodes) & set(event.primaries)) or (FAULTS[event.name].parts_nodes and run.may_split)
    return struck and not everybody and (losses is None or losses.rows)


def split_window(run: ScenarioRun) -> tuple[float, float]:
    """From when nodes are cut from each other until they have had the time to know of each other again."""
    cuts = [event for event in run.events if event.kind == "fault" and FAULTS[event.name].parts_nodes]
    begin = min((cut.earliest for cut in cuts), default=run.ended)
    mended = [event.latest for event in run.events if event.kind == "heal" and event.earliest >= begin]
    return begin, min(mended, default=run.ended) + factor() * BACK_SECONDS


def losable(event: Event, run: ScenarioRun) -> tuple[float, float]:
    """When rows may have been acknowledged that an event takes: until another node is seen to take writes.

    Where nodes may split, the old primary may go on acknowledging beside the new one until all is restored.
    """
    restored = [one.latest for one in run.events if one.kind == "restore" and one.earliest >= event.latest]
    ends = [*restored, run.ended]
    if not run.may_split:
        ends += [
            sample.latest
            for sample in run.samples
            if isinstance(sample, NodeSample)
            and sample.earliest >= event.earliest
            and sample.node not in event.primaries
            and says_primary(sample)
        ]
    return event.earliest - factor() * UNSENT_SECONDS, min(ends)


def resumptions(run: ScenarioRun) -> Iterator[Resumption]:
    """When the machines of primaries went on that had stood still."""
    for fault in run.events:
        if fault.kind == "fault" and FAULTS[fault.name].stands_still:
            for node in set(fault.nodes) & set(fault.primaries):
                mended = [event for event in run.events if event.kind == "heal" and event.earliest >= fault.latest]
                healed = next((event for event in mended if node in event.nodes), None)
                if healed is not None:
                    yield Resumption(node, healed.earliest, healed.latest + factor() * UNAWARE_SECONDS)


def parts_views(event: Event) -> bool:
    """Whether pgpools may believe different things after an event: it mends, or may have cut one off."""
    return event.kind in ("heal", "restore") or (event.kind == "fault" and losses_of(event) is None)


def unmet(run: ScenarioRun) -> list[str]:
    """What the scenario expected and didn't see; empty for a run in which all of it came true."""
    sentences = [f"{outcome.expectation}: {outcome.unmet}" for outcome in run.outcomes if outcome.unmet]
    if run.failure and not sentences:
        sentences.append(run.failure)
    if not run.restored:
        sentences.append("the lab was not brought back to health")
    return sentences


def answer_to_a_cut(
    evidence: Evidence, disturbances: tuple[Disturbance, ...]
) -> Literal["split", "stopped", "neither"] | None:
    """What nodes did that must split or stop; None for a run in which they need not.

    They stopped when one side gave way to the other, or no client could write.
    """
    if evidence.expected.split is None:
        return None
    if splits(evidence):
        return "split"
    for disturbance in disturbances:
        felt = measure(evidence, disturbance.window)
        if felt.promotion_seconds is not None or lasted(felt.write_outage, disturbance.window):
            return "stopped"
    return "neither"


def lasted(outage: Gap | None, window: Window) -> bool:
    """Whether clients were still out when the window ended; a pause between two writes is no outage."""
    return outage is not None and outage.seconds > PAUSE_SECONDS and outage.end >= window.end


def macs_of(outputs: LabOutputs) -> dict[str, str]:
    """Each node's MAC address by its name, as samples write it."""
    return {node.name: node.mac.lower() for node in outputs.nodes}
