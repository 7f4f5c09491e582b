"""A scenario as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Whom a step concerns; found when it is taken."""

    HOLDER = "holder of the virtual IP"
    PRIMARY = "primary"
    BOTH = "holder and primary"
    STANDBY = "standby"
    ALL = "all nodes"


class Arrangement(StrEnum):
    """How the roles lie when a scenario begins, on a healthy lab."""

    TOGETHER = "the holder of the virtual IP is the primary"
    APART = "the holder of the virtual IP is a standby"


@dataclass(frozen=True)
class Inject:
    """Inject a fault into everybody who has a role, at the same time."""

    fault: str
    role: Role


@dataclass(frozen=True)
class InjectOn:
    """Inject a fault into one node by its name, whatever its role is."""

    fault: str
    node: str


@dataclass(frozen=True)
class Await:
    """Wait until all these expectations hold at the same time, for no longer than `seconds` (times the factor)."""

    expectations: tuple[str, ...]
    seconds: float | None = None
    """None: as long as a failover may take with the lab's timings."""


@dataclass(frozen=True)
class Watch:
    """Let time pass (seconds, times the factor), so that what must not happen has had its chance."""

    seconds: float


@dataclass(frozen=True)
class Outlast:
    """Let time pass until long after a loss would have been noticed with the lab's timings: so many seconds more (all
    times the factor)."""

    seconds: float


@dataclass(frozen=True)
class Heal:
    """Take back every fault so far, the latest first; what stopped stays stopped."""


@dataclass(frozen=True)
class Restore:
    """Bring everything back to health by the project's own means."""


@dataclass(frozen=True)
class Switchover:
    """A planned change of the primary to a standby."""


Step = Inject | InjectOn | Await | Watch | Outlast | Heal | Restore | Switchover


@dataclass(frozen=True)
class Scenario:
    """What happens, in order. Expectations are relative to the roles before the last step that did something."""

    name: str
    sentence: str
    begins: Arrangement
    steps: tuple[Step, ...]
    nodes: int = 2
    """How many nodes it takes at least."""
    may_split: bool = False
    """Two nodes that are cut from each other must split or stop: pgpool cannot tell the two apart without a third."""
    by_name_only: bool = False
    """It takes a safeguard away to show what that is for, and is expected to fail: never run among all others."""

    def may_split_on(self, members: int) -> bool:
        """Whether two primaries and two holders are this scenario's expected outcome with so many watchdog members."""
        return self.may_split and members == 2
