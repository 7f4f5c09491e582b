"""A full data volume."""

from __future__ import annotations

from dataclasses import dataclass

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults.model import Fault, Target

BALLOON = "lab-balloon"
"""Name of the file that takes the room, in the root of the data volume: outside what PostgreSQL looks at."""
FULL_BYTES = 1024 * 1024
"""Less than this is full: PostgreSQL's next WAL segment takes 16 MiB."""

SPARE_BYTES = FULL_BYTES // 2
"""Left over: the file system needs blocks of its own to say where so large a file lies."""


@dataclass(frozen=True)
class VolumeFull(Fault):
    """A file takes all the room that the service account may use; nothing is written for it (fallocate(1))."""

    def inject(self, control: Control, target: Target) -> Moment:
        return self.strike(control, target.node, fill_script(target.node), is_full(target.node), "full")

    def heal(self, control: Control, target: Target) -> None:
        control.shell(target.node, f'rm -f "{mount_point(target.node)}/{BALLOON}"')


def mount_point(node: NodeOutput) -> str:
    """Shell words for where the data volume is mounted."""
    return f"$(findmnt -n -o TARGET -T {node.data_directory})"


def available_script(node: NodeOutput) -> str:
    """Prints the bytes that are left to accounts other than root (df(1))."""
    return f"df --output=avail -B 1 {node.data_directory} | tail -n 1"


def is_full(node: NodeOutput) -> str:
    """Whether they are too few, as a condition (bash)."""
    return f'[ "$({available_script(node)})" -lt {FULL_BYTES} ]'


def fill_script(node: NodeOutput) -> str:
    return f'fallocate -l "$(($({available_script(node)}) - {SPARE_BYTES}))" "{mount_point(node)}/{BALLOON}"'
