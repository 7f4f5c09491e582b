"""Brings pgpool's programs to a node from the one that compiled them (step S3 of the procedure)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_command import remote

from components.node import Node
from components.pgpool import layout

SCRIPT = Path(__file__).with_name("copy-pgpool.sh")

COPY_SECONDS = 600
"""A few MiB from one emulated node to another, through ssh, take well below a minute."""


@dataclass(frozen=True)
class PgpoolCopyArgs:
    node: Node
    source: Node
    """The node that has pgpool."""
    version: str
    after: Sequence[pulumi.Resource]
    """What lets the node's service account enter the source's."""


class PgpoolCopy(pulumi.ComponentResource):
    """The source's /usr/local/pgpool on another node, without its configuration."""

    command: remote.Command

    def __init__(self, name: str, args: PgpoolCopyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgpool-lab:index:PgpoolCopy", name, None, opts)
        given = {
            "source": args.source.name,
            "prefix": layout.PREFIX,
            "version": args.version,
            "seconds": str(COPY_SECONDS),
        }
        self.command = remote.Command(
            name,
            connection=args.node.connection,
            create="".join(f"{key}={shlex.quote(value)}\n" for key, value in given.items()) + SCRIPT.read_text(),
            add_previous_output_in_env=False,
            triggers=[args.node.domain_id],
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[args.source.ready, args.node.ready, *args.after],
                deleted_with=args.node.domain,
            ),
        )
        self.register_outputs({})
