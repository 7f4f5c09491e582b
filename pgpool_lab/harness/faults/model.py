"""What a fault is."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.waiting import bounded

BACK_SECONDS = 10.0
"""How long a machine that goes on, or is heard again, is watched before anything is mended: its PostgreSQL may be
primary and its pgpool lead, until somebody tells them."""
EFFECT_SECONDS = 60.0
"""How long a fault may take until it shows: an orderly stop of an emulated, busy PostgreSQL takes seconds."""
PAUSE_SECONDS = 0.5
"""Between two looks whether it shows."""


class NotInEffect(LabError):
    """A fault was injected and cannot be seen: nothing that is measured after it would mean anything."""


class Loss(StrEnum):
    """What the rest of the cluster loses on the node while the fault lasts."""

    PGPOOL = "pgpool"
    POSTGRESQL = "PostgreSQL"


@dataclass(frozen=True)
class Losses:
    """What is lost on the node, and how the others notice; None: it is not lost."""

    pgpool: Literal["announced", "silent"] | None = None
    """It leaves in order, telling its peers, or without a word."""
    postgresql: Literal["refuses", "silent"] | None = None
    """Connections to it are refused (its processes ended), or get no answer (hung, cut off)."""
    rows: bool = False
    """Whether a primary that replicates asynchronously may take rows with it that it has acknowledged."""


@dataclass(frozen=True)
class Target:
    """Where a fault strikes. `peers` are the nodes that it concerns besides: whom a partition cuts the node from."""

    node: NodeOutput
    peers: tuple[NodeOutput, ...]


@dataclass(frozen=True)
class Fault(ABC):
    """One kind of fault. Healing is idempotent and takes back the cause only; what was lost comes back by rejoining."""

    name: str
    sentence: str
    """What happens, and what brings it back."""
    losses: Losses | None
    """None: what is lost depends on more than the fault (how long it lasts, how full the volume was)."""

    @property
    def stands_still(self) -> bool:
        """Whether no time passes on the node while it lasts, so that nothing there can know of it afterwards."""
        return False

    @property
    def parts_nodes(self) -> bool:
        """Whether it cuts nodes from each other that are all still there for clients."""
        return False

    @property
    def aftermath_seconds(self) -> float:
        """How long after healing the cluster may still come to harm by it."""
        return 0.0

    @abstractmethod
    def inject(self, control: Control, target: Target) -> Moment:
        """Strike, and wait until it shows; the moment of the stroke. Raises NotInEffect after EFFECT_SECONDS.

        What strikes at the services of a node and is measured waits within the login that struck: on a slow machine
        a second login took half a second of the node's emulated processor from the failover that had begun.
        """

    @abstractmethod
    def heal(self, control: Control, target: Target) -> None:
        """Take it back; nothing happens where there is nothing to take back."""

    def await_effect(self, shows: Callable[[], bool], node: NodeOutput, expected: str) -> None:
        """Poll until `shows`. Raises NotInEffect that says what was `expected`."""
        seconds = bounded(EFFECT_SECONDS)
        deadline = time.monotonic() + seconds
        while not shows():
            if time.monotonic() > deadline:
                raise self.without_effect(node, expected)
            time.sleep(PAUSE_SECONDS)

    def without_effect(self, node: NodeOutput, expected: str) -> NotInEffect:
        """The error of a fault that did not show in time; it should have been `expected`."""
        return NotInEffect(
            f"{self.name} on {node.name} did not take effect: not {expected} after {bounded(EFFECT_SECONDS):.0f} s",
            "./lab fault heal, then look at ./lab logs",
        )

    def strike(self, control: Control, node: NodeOutput, script: str, shows: str, expected: str) -> Moment:
        """Run a script on a node, and wait there until the condition `shows` (bash) holds."""
        rounds = int(bounded(EFFECT_SECONDS) / PAUSE_SECONDS)
        wait = f"for _ in {{0..{rounds}}}; do if {shows}; then echo shows; break; fi; sleep {PAUSE_SECONDS}; done"
        moment = control.act(node, f"{script}\n{wait}")
        if moment.said.split()[-1:] != ["shows"]:
            raise self.without_effect(node, expected)
        return moment
