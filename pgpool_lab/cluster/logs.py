"""The nodes' logs: PostgreSQL, pgpool, failover, join."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pgpool_lab.cluster.client import run_on
from pgpool_lab.cluster.outputs import LabOutputs, MachineOutput

SHOWN_LINES = 200
KEPT_LINES = 5000
"""Of each log: a scenario of some minutes writes hundreds."""


def last_lines(outputs: LabOutputs, node: MachineOutput, lines: int = SHOWN_LINES) -> str:
    """The last lines of each of a node's logs; for a node that doesn't answer, why."""
    try:
        done = run_on(outputs, node, f"tail -v -n {lines} /var/log/pgpool-lab/*.log")
    except subprocess.TimeoutExpired:
        return f"{node.name} did not answer\n"
    return done.stdout or done.stderr


def keep(outputs: LabOutputs, folder: Path) -> None:
    """Write every node's logs below a folder, which is made, as NODE.log."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(node: MachineOutput) -> None:
        (folder / f"{node.name}.log").write_text(last_lines(outputs, node, KEPT_LINES))

    with ThreadPoolExecutor(len(outputs.machines)) as pool:
        list(pool.map(write, outputs.machines))
