"""Every scenario: the procedure's, each fault on each role, and those that take more than one step."""

from __future__ import annotations

from dataclasses import replace

from pgpool_lab.errors import LabError
from pgpool_lab.harness.faults import FAULTS, Fault, Losses
from pgpool_lab.harness.scenarios.model import (
    Arrangement,
    Await,
    Heal,
    Inject,
    Outlast,
    Restore,
    Role,
    Scenario,
    Step,
    Switchover,
    Watch,
)

QUIET_SECONDS = 14.0
"""After what is lost would have been noticed: an election and a promotion have begun to show by then, or never do."""
OPEN_SECONDS = 29.0
"""The same for a fault of open outcome, which is to be felt to its end."""

ELECTION_SECONDS = 15.0
"""The watchdog has elected its next leader by then, which takes up to ten seconds (docs/cut-off.md): one that is
stopped before it leads takes no address with it."""

DARK_SECONDS = 5.0
"""Longer than the pauses of every client (measures.PAUSE_SECONDS): what takes all nodes is felt before it is mended."""

HANG_SECONDS = 180.0
"""How long clients are waited for that may never get in: twice what a failover may take with the preset `fast`."""

OTHERS_SERVE = ("standbys-follow", "standbys-attached")
"""Of the standbys that were not struck; empty words with two nodes, one of which was."""

TOGETHER, APART = Arrangement.TOGETHER, Arrangement.APART


def expect(*names: str) -> Await:
    """Expectations within the time that a failover may take."""
    return Await(names)


PROCEDURE = (
    Scenario(
        "procedure-1",
        "pgpool stops on the holder of the virtual IP: the address moves, the databases stay as they are",
        TOGETHER,
        (
            Inject("pgpool-stop", Role.HOLDER),
            expect("vip-moves", "primary-stays", *OTHERS_SERVE, "writes-flow"),
            Heal(),
            Restore(),
        ),
    ),
    Scenario(
        "procedure-2",
        "PostgreSQL stops on the primary: the standby is promoted, the virtual IP stays",
        TOGETHER,
        (
            Inject("postgresql-stop-fast", Role.PRIMARY),
            expect("primary-changes", "vip-stays", "target-believed-down", *OTHERS_SERVE, "writes-flow"),
            Heal(),
            Restore(),
        ),
    ),
    Scenario(
        "procedure-3",
        "the host of primary and virtual IP goes down: both move, and pgpool shows the host down",
        TOGETHER,
        (
            Inject("machine-power-off", Role.BOTH),
            expect("vip-moves", "primary-changes", "target-believed-down", *OTHERS_SERVE, "writes-flow"),
            Heal(),
            Restore(),
        ),
    ),
    Scenario(
        "procedure-a",
        "pgpool stops on the first node, then on the second: the virtual IP goes to the second, then to the third",
        TOGETHER,
        (
            Inject("pgpool-stop", Role.HOLDER),
            expect("vip-moves", "primary-stays", *OTHERS_SERVE, "writes-flow"),
            Watch(ELECTION_SECONDS),
            Inject("pgpool-stop", Role.HOLDER),
            expect("vip-moves", "primary-stays", *OTHERS_SERVE, "writes-flow"),
            Heal(),
            Restore(),
        ),
        nodes=3,
    ),
    Scenario(
        "procedure-b",
        "PostgreSQL stops on the first node, then on the second: the third follows the second, then is primary",
        TOGETHER,
        (
            Inject("postgresql-stop-fast", Role.PRIMARY),
            # A primary that stops while a standby is attached is lost to pgpool: docs/three-nodes.md.
            expect("primary-changes", "vip-stays", "target-believed-down", *OTHERS_SERVE, "writes-flow"),
            Inject("postgresql-stop-fast", Role.PRIMARY),
            expect("primary-changes", "vip-stays", "target-believed-down", "writes-flow"),
            Heal(),
            Restore(),
        ),
        nodes=3,
    ),
)

SEQUENCES = (
    Scenario(
        "old-primary-returns",
        "the dead primary's machine starts again by itself: it is no second primary and takes nothing back",
        TOGETHER,
        (
            Inject("machine-power-off", Role.BOTH),
            expect("vip-moves", "primary-changes", *OTHERS_SERVE, "writes-flow"),
            Heal(),
            Outlast(QUIET_SECONDS),
            expect("target-answers", "target-no-primary", "vip-stays", "primary-stays", "writes-flow"),
            Restore(),
        ),
    ),
    Scenario(
        "two-failovers",
        "the primary is killed, the lab restored, and the new primary killed",
        TOGETHER,
        (
            Inject("postgresql-kill", Role.PRIMARY),
            expect("primary-changes", "vip-stays", *OTHERS_SERVE, "writes-flow"),
            Heal(),
            Restore(),
            Inject("postgresql-kill", Role.PRIMARY),
            expect("primary-changes", "vip-stays", *OTHERS_SERVE, "writes-flow"),
            Heal(),
            Restore(),
        ),
    ),
    Scenario(
        "failover-during-base-backup",
        "the primary is killed while a standby takes a base backup of it",
        TOGETHER,
        (
            Inject("base-backup", Role.STANDBY),
            Inject("postgresql-kill", Role.PRIMARY),
            expect("primary-changes", "vip-stays", *OTHERS_SERVE, "writes-flow"),
            Heal(),
            Restore(),
        ),
    ),
    Scenario(
        "switchover",
        "a planned change of the primary: the virtual IP stays, everybody follows",
        TOGETHER,
        (Switchover(), expect("primary-changes", "vip-stays", *OTHERS_SERVE, "writes-flow"), Restore()),
    ),
    Scenario(
        "all-off-and-on",
        "all nodes lose their power and are started again: one primary, one holder",
        TOGETHER,
        (Inject("machine-power-off", Role.ALL), Watch(DARK_SECONDS), Heal(), Restore()),
    ),
)

STRUCK = {Role.HOLDER: APART, Role.PRIMARY: APART, Role.BOTH: TOGETHER, Role.STANDBY: TOGETHER}
"""On whom every fault is tried, and how the roles lie then: apart, so that it strikes the one and not the other."""

ROLE_NAMES = {Role.HOLDER: "holder", Role.PRIMARY: "primary", Role.BOTH: "both", Role.STANDBY: "standby"}


def on_role(fault: Fault, role: Role) -> Scenario:
    """One fault on one role, and what must follow from what the cluster loses there."""
    return Scenario(
        f"{fault.name}-on-{ROLE_NAMES[role]}",
        f"{fault.sentence.split(';')[0]}; struck: {role}",
        STRUCK[role],
        (Inject(fault.name, role), *consequences(fault, role), Heal(), *aftermath(fault), Restore()),
        may_split=fault.parts_nodes,
    )


def consequences(fault: Fault, role: Role) -> tuple[Step, ...]:
    """What moves is what was lost where it was; everything else stays. A lost backend is lost to pgpool, too.

    Where it is open what is lost, the cluster serves all the same once it would have noticed.
    """
    if fault.losses is None:
        return (Outlast(OPEN_SECONDS), expect("one-of-each", "writes-flow"))
    moves = fault.losses.pgpool is not None and role in (Role.HOLDER, Role.BOTH)
    changes = fault.losses.postgresql is not None and role in (Role.PRIMARY, Role.BOTH)
    awaited = expect(
        "vip-moves" if moves else "vip-stays",
        "primary-changes" if changes else "primary-stays",
        *(["target-believed-down", *OTHERS_SERVE] if fault.losses.postgresql is not None else []),
        "writes-flow",
    )
    return (awaited,) if moves or changes else (Outlast(QUIET_SECONDS), awaited)


def aftermath(fault: Fault) -> tuple[Step, ...]:
    """What healing does to the cluster has begun before it is asked whether it is healthy."""
    return (Watch(fault.aftermath_seconds),) if fault.aftermath_seconds else ()


MATRIX = tuple(on_role(fault, role) for fault in FAULTS.values() if fault.losses != Losses() for role in STRUCK)

EXPERIMENTS = (
    Scenario(
        "power-off-without-mend",
        "the machine of primary and holder loses its power, and no connections to it are dropped: pgpool may hang",
        TOGETHER,
        (
            Inject("connections-kept", Role.ALL),
            Inject("machine-power-off", Role.BOTH),
            Await(("vip-moves", "primary-changes", "target-believed-down", "writes-flow"), HANG_SECONDS),
            Heal(),
            Restore(),
        ),
        nodes=3,
        by_name_only=True,
    ),
)


def until_all_are_back(scenario: Scenario) -> Scenario:
    """The scenario with every client back before anything is mended, or breaks again, and after all is restored.

    An outage ends by itself; and a lab whose nodes call it healthy is one that clients can use.
    """
    steps: list[Step] = []
    for step in scenario.steps:
        steps.append(step)
        if isinstance(step, Restore):
            steps.append(expect("all-answer", "one-of-each", *OTHERS_SERVE, "writes-flow"))
        if isinstance(steps[-1], Await):
            steps.append(expect("clients-back"))
    return replace(scenario, steps=tuple(steps))


SCENARIOS: dict[str, Scenario] = {
    scenario.name: until_all_are_back(scenario) for scenario in (*PROCEDURE, *SEQUENCES, *MATRIX, *EXPERIMENTS)
}


def scenario_named(name: str) -> Scenario:
    """A scenario by its name. Raises LabError that names the ones there are."""
    if name not in SCENARIOS:
        raise LabError(f"there is no scenario {name!r}", "./lab scenario list")
    return SCENARIOS[name]
