"""Who has which role, from the newest samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pgpool_lab.errors import LabError
from pgpool_lab.harness.samples import NodeSample
from pgpool_lab.harness.scenarios.model import Arrangement, Role

FRESH_SECONDS = 5.0
"""A node that has said nothing for longer is nobody: it may be off, paused or cut off."""


@dataclass(frozen=True)
class Roles:
    """Names of nodes, in the order of the lab."""

    holders: tuple[str, ...]
    primaries: tuple[str, ...]
    standbys: tuple[str, ...]
    nodes: tuple[str, ...]

    @property
    def arrangement(self) -> Arrangement | None:
        """None unless there are exactly one holder and one primary."""
        if len(self.holders) != 1 or len(self.primaries) != 1:
            return None
        return Arrangement.TOGETHER if self.holders == self.primaries else Arrangement.APART


def fresh(latest: Mapping[str, NodeSample], now: float) -> dict[str, NodeSample]:
    """The samples of nodes that answered within FRESH_SECONDS before `now` (monotonic)."""
    return {name: one for name, one in latest.items() if one.reachable and now - one.latest < FRESH_SECONDS}


def roles_of(nodes: Sequence[str], latest: Mapping[str, NodeSample]) -> Roles:
    """Roles by what each of the samples says of its own node."""
    seen = [(name, latest[name]) for name in nodes if name in latest]
    return Roles(
        holders=tuple(name for name, one in seen if one.holds_vip),
        primaries=tuple(name for name, one in seen if one.postgres is not None and one.postgres.is_primary),
        standbys=tuple(name for name, one in seen if one.postgres is not None and one.postgres.in_recovery),
        nodes=tuple(nodes),
    )


def resolve(role: Role, roles: Roles) -> tuple[str, ...]:
    """The nodes that have a role. Raises LabError when nobody has it, or two have one that a single node must have."""
    match role:
        case Role.ALL:
            return roles.nodes
        case Role.HOLDER:
            return (only(roles.holders, role),)
        case Role.PRIMARY:
            return (only(roles.primaries, role),)
        case Role.BOTH:
            both = {only(roles.holders, Role.HOLDER), only(roles.primaries, Role.PRIMARY)}
            return tuple(name for name in roles.nodes if name in both)
        case Role.STANDBY:
            # One that does not hold the virtual IP, where there is a choice.
            choice = [name for name in roles.standbys if name not in roles.holders] or list(roles.standbys)
            return (only(choice[:1], role),)


def only(names: Sequence[str], role: Role) -> str:
    """The one node of several."""
    if len(names) != 1:
        raise LabError(f"{role}: expected one node, found {', '.join(names) or 'none'}", "./lab status")
    return names[0]
