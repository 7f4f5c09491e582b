"""What a fault is."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Control, Moment

EFFECT_SECONDS = 60.0
"""How long a fault may take until it shows: an orderly stop of an emulated, busy PostgreSQL takes seconds."""


class NotInEffect(LabError):
    """A fault was injected and cannot be seen: nothing that is measured after it would mean anything."""


class Loss(StrEnum):
    """What the rest of the cluster loses on the node while the fault lasts."""

    PGPOOL = "pgpool"
    POSTGRESQL = "PostgreSQL"


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
    losses: frozenset[Loss] | None
    """None: what is lost depends on more than the fault (how long it lasts, how full the volume was)."""

    @abstractmethod
    def inject(self, control: Control, target: Target) -> Moment:
        """Strike; the moment at which it happened."""

    @abstractmethod
    def verify(self, control: Control, target: Target) -> None:
        """Return once the fault is in effect. Raises NotInEffect after EFFECT_SECONDS."""

    @abstractmethod
    def heal(self, control: Control, target: Target) -> None:
        """Take it back; nothing happens where there is nothing to take back."""

    def await_effect(self, shows: Callable[[], bool], node: NodeOutput, expected: str) -> None:
        """Poll until `shows`. Raises NotInEffect that says what was `expected`."""
        deadline = time.monotonic() + EFFECT_SECONDS
        while not shows():
            if time.monotonic() > deadline:
                raise NotInEffect(
                    f"{self.name} on {node.name} did not take effect: not {expected} after {EFFECT_SECONDS:.0f} s",
                    "./lab fault heal, then look at ./lab logs",
                )
            time.sleep(0.5)
