"""A full data volume."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults.model import Fault, Target
from pgpool_lab.versions.numbers import parse, since
from pgpool_lab.versions.postgresql import FUNCTIONS

BALLOON = "lab-balloon"
"""Name of the file that takes the room, in the root of the data volume: outside what PostgreSQL looks at."""
FULL_BYTES = 1024 * 1024
"""Less than this is full: PostgreSQL's next WAL segment takes 16 MiB."""

SPARE_BYTES = FULL_BYTES // 2
"""Left over: the file system needs blocks of its own to say where so large a file lies."""

POSTGRESQL_LOG = "/var/log/pgpool-lab/postgresql.log"
"""A node's (components/postgres, the service's unit)."""
SEGMENTS = 4
"""How many the primary ends in one login: it has some ready, and a standby, too."""


@dataclass(frozen=True)
class VolumeFull(Fault):
    """A file takes all the room that the service account may use; nothing is written for it (fallocate(1)).

    Rows of a few bytes would not meet that for long, since PostgreSQL has WAL segments ready. So the primary goes from
    one segment to the next until the struck node's server has been refused room for another: that is the stroke.
    """

    def inject(self, control: Control, target: Target) -> Moment:
        before = refusals(control, target.node)
        self.strike(control, target.node, fill_script(target.node), is_full(target.node), "full")
        began = time.monotonic()

        def is_felt() -> bool:
            nonlocal began
            began = time.monotonic()
            for node in control.outputs.nodes:
                if query(control, node, [next_segment(control)] * SEGMENTS):
                    break  # It is the primary.
            return refusals(control, target.node) > before

        self.await_effect(is_felt, target.node, "refused room for a segment of WAL")
        return Moment(began, time.monotonic())

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
    """How often a node's PostgreSQL has logged that there is no room for a segment (xlog.c, XLogFileInit; ENOSPC)."""
    lines = f"cat {POSTGRESQL_LOG} 2>/dev/null | grep -c 'xlogtemp.*No space left on device'"
    return int(control.shell(node, f"{lines} || true"))


def query(control: Control, node: NodeOutput, statements: Sequence[str]) -> str:
    """What statements of the superuser's give on the node itself, each a transaction; empty where its server does not
    answer, or ends."""
    # Who waits for a standby would wait for the one that is struck.
    psql = "env PGCONNECT_TIMEOUT=5 PGOPTIONS='-c synchronous_commit=local' psql -XAtq -d postgres"
    user = control.outputs.credentials.superuser.user
    text = shlex.quote("".join(f"{statement};\n" for statement in statements))
    return control.shell(
        node, f"printf %s {text} | runuser -u postgres -- {psql} -p {node.pg_port} -U {user} || true"
    ).strip()


def next_segment(control: Control) -> str:
    """A statement that ends the primary's WAL segment, and tells where; on a standby it does nothing.

    It writes into the next segment, since one in which nothing was written goes on (manual, pg_switch_wal).
    """
    switch = since(FUNCTIONS, parse(control.outputs.versions["postgresql"]))["switch"]
    return f"SELECT CASE WHEN NOT pg_is_in_recovery() THEN txid_current() || ' ' || {switch}() END"


def fill_script(node: NodeOutput) -> str:
    return f'fallocate -l "$(($({available_script(node)}) - {SPARE_BYTES}))" "{mount_point(node)}/{BALLOON}"'
