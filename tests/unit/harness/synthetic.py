"""A made-up run in which a host dies, for what is tested or looked at without a lab."""

from __future__ import annotations

import random

from pgpool_lab.harness.bounds import Struck, Watched, bounds
from pgpool_lab.harness.invariants.model import Evidence, Expectations
from pgpool_lab.harness.ledger import Ledger, Read, Write
from pgpool_lab.harness.machine import Machine
from pgpool_lab.harness.measures import Window
from pgpool_lab.harness.recording import Recording
from pgpool_lab.harness.result import Disturbance, Subject, Times, judge
from pgpool_lab.harness.samples import BackendBelief, Sample, VipSample
from tests.unit.harness import runs

FAULT, REPAIR, END = 1020.0, 1062.0, 1100.0
GONE, LEADER, PROMOTED, SERVED, BACK = 1026.0, 1037.0, 1046.0, 1048.0, 1078.0
NAMES = ("node0", "node4", "node5")
MACS = {name: f"52:54:00:31:01:3{last}" for name, last in zip(NAMES, (3, 4, 5), strict=True)}
TIMINGS = {
    "health_check_period": 2,
    "health_check_timeout": 3,
    "health_check_max_retries": 1,
    "health_check_retry_delay": 1,
    "wd_interval": 1,
    "wd_heartbeat_deadtime": 3,
}


def believes(at: float) -> tuple[BackendBelief, ...]:
    """pgpool's belief on the nodes that stay up."""
    if GONE <= at < SERVED:
        return ()
    down = ["node0"] if SERVED <= at < BACK + 5 else []
    return runs.beliefs("node4" if at >= SERVED else "node0", down, NAMES)


def samples() -> list[Sample]:
    """One of each node about every second; node0 is powered off at FAULT and joins again at BACK."""
    jitter = random.Random(7)
    found: list[Sample] = []
    for second in range(1000, 1100):
        at = second + jitter.random() * 0.3
        if FAULT - 0.3 < at < BACK:
            if second % 3 == 0:
                found.append(runs.gone("node0", at))
        elif at < FAULT:
            found.append(runs.node("node0", at, holds=True, role="primary", watchdog="LEADER", believes=believes(at)))
        else:
            joined = at > BACK + 3
            found.append(
                runs.node(
                    "node0",
                    at,
                    timeline=2,
                    watchdog="STANDBY" if joined else None,
                    believes=believes(at) if joined else (),
                )
            )
        found.append(
            runs.node(
                "node4",
                at + 0.1,
                holds=at > LEADER + 2,
                role="primary" if at > PROMOTED else "standby",
                timeline=2 if at > PROMOTED else 1,
                watchdog="LEADER" if at > LEADER else "JOINING" if at > GONE else "STANDBY",
                believes=believes(at + 0.1),
                noticed=int(at > GONE),
            )
        )
        found.append(runs.node("node5", at + 0.2, timeline=2 if at > SERVED else 1, believes=believes(at + 0.2)))
        mac = MACS["node0"] if at < FAULT else MACS["node4"] if at > LEADER + 2.5 else None
        found.append(VipSample(earliest=at - 0.1, latest=at + 0.3, wall=runs.WALL + at, mac=mac))
    return found


def ledger() -> Ledger:
    """Two writers, five rows a second each, one by dsn_all that sends a row a second, and one reader."""
    writes: list[Write] = []
    reads: list[Read] = []
    for tenth in range(10000, 11000):
        at, client = tenth / 10, f"writer{tenth % 2}"
        if tenth % 10 == 5 and not FAULT <= at < SERVED:
            writes.append(runs.write(len(writes) + 1, at, client="writer-by-all-0", way="all"))
        if FAULT <= at < SERVED + 1.2:
            if tenth % 25 < 2:
                first = at < FAULT + 0.2
                number, took = len(writes) + 1, 3.0 if first else 2.0
                writes.append(runs.write(number, at, "unknown" if first else "failed", client=client, took=took))
            if tenth % 25 == 4:
                reads.append(runs.read(at, None, took=2.0))
            continue
        writes.append(runs.write(len(writes) + 1, at, client=client))
        if tenth % 5 == 0:
            reads.append(runs.read(at, max(0, sum(write.outcome == "acknowledged" for write in writes) - 2)))
    return Ledger(writes=tuple(writes), reads=tuple(reads))


def subject(scenario: str = "3 host down") -> Subject:
    return Subject(
        scenario=scenario,
        sentence="The machine of the primary, which holds the virtual IP, loses its power.",
        stack="three-node",
        preset="fast",
        timings=TIMINGS,
        replication="async",
        macs=MACS,
        versions={"distribution": "debian12", "postgresql": "15", "pgpool": "4.3.5"},
        machine=Machine(
            processor="AMD EPYC 9R14", cores=2, memory_mib=7900, kernel="6.1.0", domain_type="qemu", node_processors=1
        ),
    )


def evidence(*, lost: frozenset[int] = frozenset(), replication: str = "async") -> Evidence:
    """The run's evidence; `lost` rows are on no node in the end."""
    book = ledger()
    kept = tuple(sorted({write.number for write in book.acknowledged} - lost))
    expected = Expectations(
        replication="sync" if replication == "sync" else "async", macs=MACS, delay_seconds=10, losable=(runs.ALWAYS,)
    )
    return Evidence(samples=tuple(samples()), ledger=book, rows=dict.fromkeys(NAMES, kept), expected=expected)


def recording(
    *,
    unmet: tuple[str, ...] = (),
    scenario: str = "3 host down",
    lost: frozenset[int] = frozenset(),
    replication: str = "async",
) -> Recording:
    """The run as its folder holds it."""
    found = evidence(lost=lost, replication=replication)
    limits = bounds(
        TIMINGS,
        members=3,
        asks_again=True,
        struck=Struck(primary="silent", holder="silent"),
        watched=Watched(client_seconds=7.5, by_dsn_all_seconds=17, sampling_seconds=2, view_seconds=3),
    )
    times = Times(begin=1000, repair=REPAIR, end=END, wall=runs.WALL + 1000)
    about = subject(scenario).model_copy(update={"replication": found.expected.replication})
    struck = Disturbance("machine-power-off", ("node0",), Window(FAULT, REPAIR), limits)
    return Recording(judge(about, times, found, [struck], unmet=unmet), found.samples, found.ledger)
