"""No fault by itself: a base backup that is under way when one strikes."""

from __future__ import annotations

from dataclasses import dataclass

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.errors import LabError
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
        """It shows when it runs and has files: the server sends."""
        # The agent knows it by the words of every version: pg_stat_wal_receiver has the host since 11.
        source = control.agent(target.node, "facts")["postgres"]["streaming_from"]
        if source is None:
            raise LabError(
                f"{target.node.name} streams from nobody: there is nothing to take a base backup of",
                "choose a standby that streams: ./lab status",
            )
        outputs = control.outputs
        user = outputs.credentials.replication.user
        script = start_script(outputs.node(source), target.node, user)
        shows = f'systemctl is-active -q {UNIT} && [ -e "{mount_point(target.node)}/{UNIT}/base" ]'
        return self.strike(control, target.node, script, shows, "under way")

    def heal(self, control: Control, target: Target) -> None:
        folder = f'"{mount_point(target.node)}/{UNIT}"'
        control.shell(target.node, f"systemctl stop {UNIT} 2>/dev/null || true\nrm -rf {folder}")


def start_script(source: NodeOutput, node: NodeOutput, user: str) -> str:
    """Start pg_basebackup of `source` on `node` as a transient service (systemd-run(1)), by replication's `user`."""
    return "\n".join(
        [
            f'folder="{mount_point(node)}/{UNIT}"',
            'install -d -o postgres -m 0700 "$folder"',
            f"systemd-run -q --unit={UNIT} --collect -p User=postgres -E HOME=/var/lib/postgresql "
            f"pg_basebackup -w -h {source.ip} -p {source.pg_port} -U {user} "
            f'-D "$folder" -X stream -c fast --max-rate={RATE}',
        ]
    )
