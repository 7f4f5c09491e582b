"""A safeguard taken away: what a failover does about connections to a dead host."""

from __future__ import annotations

from dataclasses import dataclass

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults.model import Fault, Target
from pgpool_lab.node.connections import SS, dropping

NOTHING = "/usr/bin/true"
"""What stands in its place: a mount, which a restarted machine does not have."""
ANSWER_SECONDS = 2
"""How long healing waits for a peer's PostgreSQL; one that does not answer is one that failed."""


@dataclass(frozen=True)
class ConnectionsKept(Fault):
    """The node drops no connections any more, whoever asks it to. Nothing fails by that alone."""

    def inject(self, control: Control, target: Target) -> Moment:
        script, shows = f"mount --bind {NOTHING} {SS}", f"cmp -s {NOTHING} {SS}"
        return self.strike(control, target.node, script, shows, f"without {SS}")

    def heal(self, control: Control, target: Target) -> None:
        """The connections that were kept are dropped, or a pgpool that hangs by one would do so for ever."""
        control.shell(target.node, mend_script(target))


def mend_script(target: Target) -> str:
    """Take the mount away, and drop the connections to the peers whose PostgreSQL doesn't answer.

    Those to one that answers stay: a session that is cut off there makes pgpool fail over.
    """
    late = [late_script(target.node, peer) for peer in target.peers]
    return "\n".join([f"if findmnt -n -M {SS} >/dev/null; then umount {SS}; fi", *late])


def late_script(node: NodeOutput, peer: NodeOutput) -> str:
    """Drop a node's connections to one peer, unless that takes new ones."""
    knock = f"timeout {ANSWER_SECONDS} bash -c '</dev/tcp/{peer.ip}/{peer.pg_port}' 2>/dev/null"
    return f"{knock} || {' '.join(dropping(peer.ip, peer.pg_port))} >/dev/null"
