"""Files on a node: rendered here, written there by one idempotent command that reads them from standard input."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_command import remote

from components.node.node import Node
from pgpool_lab.versions.units import adapted

UNITS = "/etc/systemd/system/"
SCRIPT = Path(__file__).with_name("write_files.py")


@dataclass(frozen=True)
class NodeFile:
    """One file on a node. `mode` is octal text, `owner` is `user:group`."""

    path: str
    content: pulumi.Input[str]
    mode: str = "0644"
    owner: str = "root:root"


def write_files(
    name: str,
    *,
    node: Node,
    files: Sequence[NodeFile],
    opts: pulumi.ResourceOptions,
    restarts: str = "",
) -> remote.Command:
    """A command that writes `files`; standard input carries them, since some hold secrets.

    The service `restarts` is restarted, if it runs, when one of them has changed. Units are written in the words of the
    node's systemd.
    """
    return remote.Command(
        name,
        connection=node.connection,
        create=f"set -eu; exec {node.interpreter} -c {shlex.quote(SCRIPT.read_text())} {restarts}",
        stdin=pulumi.Output.json_dumps(
            [
                {"path": file.path, "content": content_on(node, file), "mode": file.mode, "owner": file.owner}
                for file in files
            ]
        ),
        add_previous_output_in_env=False,
        logging=remote.Logging.NONE,
        triggers=[node.domain_id],
        opts=opts,
    )


def content_on(node: Node, file: NodeFile) -> pulumi.Input[str]:
    """What a file holds on a node."""
    if isinstance(file.content, str) and file.path.startswith(UNITS):
        return adapted(file.content, node.systemd)
    return file.content
