"""The image as a resource: the same command that `./lab up` runs beforehand, which then finds its result.

A stock image is taken, another one built.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import pulumi
import pulumi_libvirt as libvirt
from pulumi_command import local

from components.module import run_module


@dataclass(frozen=True)
class BaseImageArgs:
    recipe: str
    """The image recipe as JSON."""
    content_hash: str
    """Hash of everything that goes into the image, or into the machines that boot it."""
    stock: bool
    pool: pulumi.Input[str]
    """Name of the pool that receives the volume."""


class BaseImage(pulumi.ComponentResource):
    """Makes the image ready when it is not in the cache, and uploads it as the nodes' base volume."""

    volume_id: pulumi.Output[str]
    command: local.Command
    """What makes it ready: with a stock image, the files for the machines' seeds as well."""

    def __init__(self, name: str, args: BaseImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgpool-lab:index:BaseImage", name, None, opts)
        verb = "take" if args.stock else "build"
        self.command = local.Command(
            f"{name}-{verb}",
            create=run_module(f"pgpool_lab.image {verb} --recipe {shlex.quote(args.recipe)}"),
            triggers=[args.content_hash],
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        short = args.content_hash[:12]
        volume = libvirt.Volume(
            # Another image is another resource: the old one is removed when no node's disk is based on it any more.
            f"{name}-{short}",
            # libvirt adopts a volume that has the name already: the content's hash keeps two images apart.
            name=f"base-{short}.qcow2",
            pool=args.pool,
            source=self.command.stdout.apply(lambda text: text.strip().splitlines()[-1]),
            format="qcow2",
            opts=pulumi.ResourceOptions(parent=self, aliases=[pulumi.Alias(name=name)]),
        )
        self.volume_id = volume.id
        self.register_outputs({"volume_id": self.volume_id})
