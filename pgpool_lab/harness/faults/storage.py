"""A full data volume."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults.model import Fault, Target
from pgpool_lab.versions.numbers import parse

BALLOON = "lab-balloon"
"""Name of the file that takes the room, in the root of the data volume: outside what PostgreSQL looks at."""
FULL_BYTES = 1024 * 1024
"""Less than this is full: PostgreSQL's next WAL segment takes 16 MiB."""

SPARE_BYTES = FULL_BYTES // 2
"""Left over: the file system needs blocks of its own to say where so large a file lies."""


POSTGRESQL_LOG = "/var/log/pgpool-lab/postgresql.log"


@dataclass(frozen=True)
class VolumeFull(Fault):
    """A file takes all the room that the service account may use; nothing is written for it (fallocate(1)).

    Rows of a few bytes would not meet that for long, since PostgreSQL has WAL segments ready. So the primary goes from
    one segment to the next until the struck node's server has been refused room for another.
    """

    def inject(self, control: Control, target: Target) -> Moment:
        before = refusals(control, target.node)
        moment = self.strike(control, target.node, fill_script(target.node), is_full(target.node), "full")
        nodes = (target.node, *target.peers)
        primary = next((node for node in nodes if query(control, node, "SELECT NOT pg_is_in_recovery()") == "t"), None)
        if primary is None:
            raise LabError(f"{self.name} on {target.node.name}: no node is primary", "./lab status")

        def is_felt() -> bool:
            query(control, primary, next_segment(control))
            return refusals(control, target.node) > before

        self.await_effect(is_felt, target.node, "refused room")
        return moment

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


def refusals(control: Control, node: NodeOutput) -> int:
    """How often a node's PostgreSQL has logged that there is no room (ENOSPC, strerror(3))."""
    return int(control.shell(node, f"grep -c 'No space left on device' {POSTGRESQL_LOG} || true"))


def query(control: Control, node: NodeOutput, statement: str) -> str:
    """What a statement of the superuser's gives on the node itself; empty where its server does not answer, or ends."""
    # Who waits for a standby would wait for the one that is struck.
    psql = "env PGCONNECT_TIMEOUT=5 PGOPTIONS='-c synchronous_commit=local' psql -XAtq -d postgres"
    user = control.outputs.credentials.superuser.user
    words = f"{psql} -p {node.pg_port} -U {user} -c {shlex.quote(statement)}"
    return control.shell(node, f"runuser -u postgres -- {words} || true").strip()


def next_segment(control: Control) -> str:
    """A statement that ends the primary's WAL segment, and writes into the next, so that it ends that one as well: one
    in which nothing was written goes on (manual, pg_switch_wal)."""
    version = parse(control.outputs.versions["postgresql"])
    return f"SELECT txid_current(), {'pg_switch_wal' if version >= parse('10') else 'pg_switch_xlog'}()"


def fill_script(node: NodeOutput) -> str:
    return f'fallocate -l "$(($({available_script(node)}) - {SPARE_BYTES}))" "{mount_point(node)}/{BALLOON}"'
