"""Writes the node agent (`pgpool_lab/node`), its configuration and its secrets to a node."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi_command import remote

import pgpool_lab
from components.node import Node, NodeFile, write_files

SOURCES = Path(pgpool_lab.__file__).parent / "node"
INSTALLED = "/usr/local/lib/pgpool-lab/node"
LAUNCHER = """#!INTERPRETER -IS
import sys

sys.path.insert(0, "/usr/local/lib/pgpool-lab")
from node.main import main

sys.exit(main(sys.argv[1:]))
"""
"""Isolated from its caller, and without the search for site packages, of which it uses none: half of the interpreter's
start, which every failover waits for."""
ISOLATION = """# Stops a primary that is cut off, or was replaced (isolation.py), and holds the watchdog back in
# an election that this node is to win (election.py). PostgreSQL and pgpool want it.
[Unit]
Description=Watch for the isolation of this node
StopWhenUnneeded=yes

[Service]
ExecStart=/usr/local/sbin/lab-node isolation
Restart=on-failure
StandardOutput=append:/var/log/pgpool-lab/isolation.log
"""
WITNESS = """# A witness that leads hands over when a node is back (the agent's witness.py). Started with pgpool.
[Unit]
Description=Keep the lead of the watchdog cluster with the nodes

[Service]
ExecStart=/usr/local/sbin/lab-node witness
Restart=on-failure
StandardOutput=append:/var/log/pgpool-lab/witness.log
"""


@dataclass(frozen=True)
class AgentArgs:
    node: Node
    configuration: Mapping[str, Any]
    """What /etc/pgpool-lab/node.json holds: plain data, no secrets."""
    passwords: pulumi.Output[dict[str, str]]
    witness: bool = False
    """Whether this is the machine without PostgreSQL."""
    after: Sequence[pulumi.Resource] = ()
    """What goes before these files: a node that knows of a witness counts it."""


class Agent(pulumi.ComponentResource):
    """The agent on one node."""

    command: remote.Command
    digest: str
    """Changes with the node's configuration, from which the agent writes PostgreSQL's replication settings."""

    def __init__(self, name: str, args: AgentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgpool-lab:index:Agent", name, None, opts)
        configuration = json.dumps(args.configuration, indent=2) + "\n"
        files = [NodeFile(f"{INSTALLED}/{source.name}", source.read_text()) for source in sorted(SOURCES.glob("*.py"))]
        files += [
            NodeFile("/usr/local/sbin/lab-node", LAUNCHER.replace("INTERPRETER", args.node.interpreter), mode="0755"),
            NodeFile("/etc/systemd/system/lab-witness.service", WITNESS)
            if args.witness
            else NodeFile("/etc/systemd/system/lab-isolation.service", ISOLATION),
            NodeFile(
                "/etc/pgpool-lab/node.json",
                configuration,
                mode="0640",
                owner="root:postgres",
            ),
            NodeFile("/etc/pgpool-lab/secrets.json", pulumi.Output.json_dumps(args.passwords), mode="0600"),
        ]
        self.command = write_files(
            f"{name}-files",
            node=args.node,
            files=files,
            # It runs on with the modules that it has loaded otherwise.
            restarts="lab-witness.service" if args.witness else "lab-isolation.service",
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[args.node.ready, *args.after], deleted_with=args.node.domain
            ),
        )
        self.digest = hashlib.sha256(configuration.encode()).hexdigest()
        self.register_outputs({})
