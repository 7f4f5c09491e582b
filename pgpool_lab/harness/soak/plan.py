"""What a soak does, from its seed alone. Pure: the same seed and nodes give the same faults, nodes and pauses.

There is one fault at a time, on one node, and everything is healthy again before the next: what is lost then has no
excuse in a second one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgpool_lab.harness.faults import FAULTS
from pgpool_lab.harness.scenarios.model import Arrangement, Heal, InjectOn, Restore, Role, Scenario, Watch
from pgpool_lab.harness.scenarios.table import aftermath, consequences, until_all_are_back

WEIGHTS: dict[str, int] = {
    "pgpool-stop": 3,
    "pgpool-kill": 3,
    "pgpool-hang": 2,
    "postgresql-stop-fast": 3,
    "postgresql-stop-immediate": 2,
    "postgresql-kill": 3,
    "postgresql-hang": 2,
    "machine-power-off": 2,
    "machine-reboot": 1,
    "machine-pause": 2,
    "link-down": 2,
    "partition": 1,
    "disk-full": 1,
    "clock-forward": 1,
    "clock-back": 1,
}
"""How often each fault is drawn, beside the others: what is quickly mended more often than what takes a reboot or has
an open outcome. A base backup is no fault, and takes a standby; keeping connections takes a mend away."""

CALM_SECONDS = (0.0, 20.0)
"""Least and most between health and the next fault, so that it meets pgpool at any point of its rounds of checks."""
LASTING_SECONDS = (0.0, 30.0)
"""Least and most that the fault goes on after what must follow from it has followed."""


@dataclass(frozen=True)
class Strike:
    """One fault of a soak."""

    position: int
    """Which one it is, from 1."""
    fault: str
    node: str
    calm: float
    """Seconds before it, while nothing is wrong."""
    lasts: float
    """Seconds until it is healed, once what must follow has followed."""


def strikes(seed: int, nodes: Sequence[str]) -> Iterator[Strike]:
    """The endless plan of a seed for nodes in backend order."""
    dice = random.Random(seed)
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    position = 0
    while True:
        position += 1
        yield Strike(
            position=position,
            fault=dice.choices(names, weights)[0],
            node=dice.choice(list(nodes)),
            calm=round(dice.uniform(*CALM_SECONDS), 1),
            lasts=round(dice.uniform(*LASTING_SECONDS), 1),
        )


def scenario_of(strike: Strike, *, holder: str, primary: str) -> Scenario:
    """One strike as a scenario on a healthy lab with these roles, which decide what must follow from it."""
    fault, role = FAULTS[strike.fault], role_of(strike.node, holder=holder, primary=primary)
    scenario = Scenario(
        f"soak-{strike.position:03d}-{fault.name}-on-{strike.node}",
        f"{fault.sentence.split(';')[0]}; struck: {strike.node}, {role}",
        Arrangement.TOGETHER if holder == primary else Arrangement.APART,
        (
            Watch(strike.calm),
            InjectOn(fault.name, strike.node),
            *consequences(fault, role),
            Watch(strike.lasts),
            Heal(),
            *aftermath(fault),
            Restore(),
        ),
        may_split=fault.parts_nodes,
    )
    return until_all_are_back(scenario)


def role_of(node: str, *, holder: str, primary: str) -> Role:
    """The role in which a fault on a node is felt."""
    return {
        (True, True): Role.BOTH,
        (True, False): Role.HOLDER,
        (False, True): Role.PRIMARY,
        (False, False): Role.STANDBY,
    }[node == holder, node == primary]
