"""The disk that tells a machine on its first boot who it is.

Not the provider's own CloudInitDisk: reading one back, which every refresh does, downloads it over a stream of
go-libvirt that sometimes locks up with all other requests of the connection (rpc.go: `callback` sends while it holds
the lock that `requestStream` needs to go away).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pulumi
import pulumi_libvirt as libvirt
from pulumi_command import local

from components.module import run_module
from components.node.volumes import OWNER_ONLY


def seed_volume(
    name: str,
    *,
    node: str,
    pool: pulumi.Input[str],
    documents: pulumi.Output[str],
    folder: Path,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
) -> libvirt.Volume:
    """The seed as a volume. `documents` is a JSON object of NoCloud's files, secret since it holds a private key."""
    words = f"{shlex.quote(node)} {shlex.quote(str(folder))}"
    file = local.Command(
        f"{name}-file",
        create=run_module(f"pgpool_lab.image seed {words}"),
        delete=run_module(f"pgpool_lab.image forget-seed {words}"),
        stdin=documents,
        add_previous_output_in_env=False,
        logging=local.Logging.NONE,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=after),
    )
    return libvirt.Volume(
        name,
        name=f"{node}-cloud-init.iso",
        pool=pool,
        # The path tells nothing of the content but whether it has changed.
        source=pulumi.Output.unsecret(file.stdout).apply(str.strip),
        # What libvirt finds in it: any other word would be a difference at the next refresh.
        format="iso",
        xml=OWNER_ONLY,
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True),
    )
