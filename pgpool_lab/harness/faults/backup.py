"""No fault by itself: a base backup that is under way when one strikes."""

from __future__ import annotations

from dataclasses import dataclass

from pgpool_lab.cluster.outputs import LabOutputs, NodeOutput
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults.model import Fault, Target
from pgpool_lab.harness.faults.storage import mount_point

UNIT = "lab-base-backup"
RATE = "256k"
"""Bytes a second: an empty cluster of some 40 MB takes two and a half minutes, longer than a failover."""


@dataclass(frozen=True)
class BaseBackup(Fault):
    """The node takes a base backup of the server that it streams from, slowly, beside its data."""

    def inject(self, control: Control, target: Target) -> Moment:
        return control.act(target.node, start_script(control.outputs, target.node))

    def verify(self, control: Control, target: Target) -> None:
        """It runs and has files: the server sends."""
        folder = f'"{mount_point(target.node)}/{UNIT}/base"'
        script = f"systemctl is-active -q {UNIT} && [ -e {folder} ] && echo runs || true"
        self.await_effect(lambda: control.shell(target.node, script).strip() == "runs", target.node, "under way")

    def heal(self, control: Control, target: Target) -> None:
        folder = f'"{mount_point(target.node)}/{UNIT}"'
        control.shell(target.node, f"systemctl stop {UNIT} 2>/dev/null || true\nrm -rf {folder}")


def start_script(outputs: LabOutputs, node: NodeOutput) -> str:
    """Find whom the node streams from, and start pg_basebackup as a transient service (systemd-run(1))."""
    superuser, replication = outputs.credentials.superuser.user, outputs.credentials.replication.user
    query = "SELECT sender_host FROM pg_stat_wal_receiver"
    psql = f"runuser -u postgres -- psql -XAtq -p {node.pg_port} -U {superuser} -d postgres"
    return "\n".join(
        [
            f'source=$(cd / && {psql} -c "{query}")',
            '[ -n "$source" ] || { echo "this node streams from nobody" >&2; exit 1; }',
            f'folder="{mount_point(node)}/{UNIT}"',
            'install -d -o postgres -m 0700 "$folder"',
            f"systemd-run -q --unit={UNIT} --collect -p User=postgres -E HOME=/var/lib/postgresql "
            f'pg_basebackup -w -h "$source" -p {node.pg_port} -U {replication} '
            f'-D "$folder" -X stream -c fast --max-rate={RATE}',
        ]
    )
