"""One virtual machine: root disk over the base image, data disk of its own, cloud-init, and a pinned ssh connection."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_libvirt as libvirt
from pulumi_command import remote

from components.guard import OneMachineAtATime
from components.node.seed import seed_volume
from components.node.volumes import OWNER_ONLY
from pgpool_lab.image import seed, stock
from pgpool_lab.image.cloud_init import (
    NetworkConfig,
    UserData,
    render_meta_data,
    render_network_config,
    render_user_data,
)
from pgpool_lab.image.stock import Installation

DATA_VOLUME_BYTES = 2 * 1024**3
"""Two GiB, sparse: room for the lab's rows, retained WAL and one set-aside copy of the data directory."""

INSTALL_SECONDS = 3600
"""A lab of two took 16 minutes on two emulated processors; a busy machine may take several times that."""

WAIT = Path(__file__).with_name("wait_for_installation.sh")
ADAPTED = Path(__file__).with_name("machine.xsl").read_text()
"""What a machine's definition needs that the provider has no argument for; it has no comments, since any change of it
replaces the machines.

The console is kept in a file: nothing else tells of a machine that never answered. The seed is a disk, not the CD drive
that the provider can make of a file: one emulated device less to wait for. Read-only, so a snapshot leaves it out.
"""

DIAL_ATTEMPTS = 120
"""An attempt on a machine that answers nothing comes to take 8 s, of which the command plugin waits 5: a quarter of an
hour for an emulated guest to boot."""


@dataclass(frozen=True)
class NodeArgs:
    name: str
    ip: str
    mac: str
    memory_mib: int
    vcpus: int
    prefix_length: int
    hosts: Sequence[tuple[str, str]]
    """Name and address of every node, for /etc/hosts."""
    domain_name: str
    domain_type: str
    """`kvm` or `qemu`."""
    seeds: Path
    """Folder on this machine for the nodes' cloud-init seeds."""
    network_id: pulumi.Input[str]
    pool: pulumi.Input[str]
    base_volume_id: pulumi.Input[str]
    base_hash: str
    """Hash of the base image: part of the root volume's name, so that a new image makes a new root disk."""
    host_key: pulumi.Output[dict[str, str]]
    operator_key: pulumi.Output[dict[str, str]]
    guard: OneMachineAtATime
    interpreter: str
    """What runs Python programs on the node."""
    systemd: int
    """The release of systemd on the node."""
    installation: Installation | None = None
    """What the machine of a stock image installs on its first boot; None where its image has it all."""
    interface: str | None = None
    """Name that the network interface has to be given."""
    gateway: str | None = None
    """Address of the way to the internet; None where there is none."""
    after: Sequence[pulumi.Resource] = ()
    """What goes before the machine."""


class Node(pulumi.ComponentResource):
    """A node that answers ssh as root with the host key that it was given, and is installed.

    The data volume depends on nothing that changes: a new image or cloud-init replaces the machine, never its data.
    """

    name: str
    ip: str
    interpreter: str
    """What runs Python programs on the node."""
    systemd: int
    """The release of systemd on the node."""
    connection: remote.ConnectionArgs
    domain_id: pulumi.Output[str]
    domain: libvirt.Domain
    ready: remote.Command
    interface: pulumi.Output[str]
    """Name of the network interface inside the guest."""

    def __init__(self, name: str, args: NodeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgpool-lab:index:Node", name, None, opts)
        self.name = args.name
        self.ip = args.ip
        self.interpreter = args.interpreter
        self.systemd = args.systemd
        installation = args.installation
        data = libvirt.Volume(
            f"{name}-data",
            name=f"{args.name}-data.qcow2",
            pool=args.pool,
            size=DATA_VOLUME_BYTES,
            format="qcow2",
            xml=OWNER_ONLY,
            # Nothing is worth a change that would replace the data.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["xml"]),
        )
        meta_data = render_meta_data(args.name)
        network_config = render_network_config(
            NetworkConfig(
                mac=args.mac,
                address_with_prefix=f"{args.ip}/{args.prefix_length}",
                interface=args.interface,
                gateway=args.gateway,
            )
        )
        user_data = self._user_data(args)
        seed_disk = seed_volume(
            f"{name}-cloud-init",
            node=args.name,
            pool=args.pool,
            documents=pulumi.Output.json_dumps(
                {
                    "user-data": user_data,
                    "meta-data": meta_data,
                    "network-config": network_config,
                    **({**installation.texts, seed.COPIES: installation.copies} if installation else {}),
                }
            ),
            folder=args.seeds,
            parent=self,
            after=args.after,
        )
        root = libvirt.Volume(
            f"{name}-root",
            name=f"{args.name}-root-{args.base_hash[:12]}.qcow2",
            pool=args.pool,
            base_volume_id=args.base_volume_id,
            # A stock image has little room: cloud-init grows the root to the disk.
            size=stock.ROOT_BYTES if installation else None,
            format="qcow2",
            xml=OWNER_ONLY,
            # A machine that has run its first boot would ignore parts of a new cloud-init.
            opts=pulumi.ResourceOptions(
                parent=self, delete_before_replace=True, replace_with=[seed_disk], depends_on=args.after
            ),
        )
        self.domain = libvirt.Domain(
            name,
            name=args.domain_name,
            type=args.domain_type,
            memory=args.memory_mib,
            vcpu=args.vcpus,
            cpu=libvirt.DomainCpuArgs(mode="maximum" if args.domain_type == "qemu" else "host-passthrough"),
            disks=[
                libvirt.DomainDiskArgs(volume_id=root.id),
                libvirt.DomainDiskArgs(volume_id=data.id),
                libvirt.DomainDiskArgs(volume_id=seed_disk.id),
            ],
            network_interfaces=[libvirt.DomainNetworkInterfaceArgs(network_id=args.network_id, mac=args.mac.upper())],
            consoles=[libvirt.DomainConsoleArgs(type="pty", target_port="0", target_type="serial")],
            xml=libvirt.DomainXmlArgs(xslt=ADAPTED),
            running=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                # The provider reports these changes without applying them.
                replace_on_changes=["networkInterfaces", "memory", "vcpu"],
                replace_with=[root],
            ),
        )
        args.guard.record(
            name,
            definition=definition(user_data, meta_data, network_config, *machine(args)),
            machine=self.domain,
            parent=self,
        )
        self.domain_id = self.domain.id
        self.connection = remote.ConnectionArgs(
            host=args.ip,
            user="root",
            private_key=args.operator_key.apply(lambda key: key["private"]),
            host_key=args.host_key.apply(lambda key: key["public"]),
            dial_error_limit=DIAL_ATTEMPTS,
            per_dial_timeout=20,
        )
        self.ready = remote.Command(
            f"{name}-ready",
            connection=self.connection,
            # Says which interface has the node's address: nobody needs to know its name beforehand.
            create=("set -eu; " if installation is None else wait_for_installation(args.name))
            + f"findmnt -n {stock.DATA_FOLDER} >/dev/null; "
            f"ip -o -4 addr show to {args.ip}/32 | awk '{{ print $2 }}'",
            add_previous_output_in_env=False,
            triggers=[self.domain_id],
            opts=pulumi.ResourceOptions(parent=self, deleted_with=self.domain),
        )
        self.interface = self.ready.stdout.apply(str.strip)
        self.register_outputs({"domain_id": self.domain_id})

    @staticmethod
    def _user_data(args: NodeArgs) -> pulumi.Output[str]:
        return pulumi.Output.all(host=args.host_key, operator=args.operator_key).apply(
            lambda keys: render_user_data(
                UserData(
                    hostname=args.name,
                    hosts=tuple(args.hosts),
                    host_key_private=keys["host"]["private"],
                    host_key_public=keys["host"]["public"],
                    operator_public_key=keys["operator"]["public"],
                    install=stock.COMMAND if args.installation else None,
                )
            )
        )


def wait_for_installation(node: str) -> str:
    """Commands that end when cloud-init has made a node of the machine, or fail with what became of it."""
    given = {
        "node": node,
        "seconds": str(INSTALL_SECONDS),
        "state": stock.STATE,
        "log": stock.LOG,
        "install": stock.COMMAND,
    }
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in given.items())
    return lines + WAIT.read_text()


def machine(args: NodeArgs) -> list[str]:
    """What makes the provider replace a domain or its root disk, beside the cloud-init disk."""
    installed = sorted(args.installation.texts.items()) if args.installation else []
    return [
        *[args.domain_name, args.domain_type, str(args.memory_mib), str(args.vcpus), args.mac, args.base_hash],
        ADAPTED,
        *[text for entry in installed for text in entry],
    ]


def definition(*parts: pulumi.Input[str]) -> pulumi.Output[str]:
    """A hash of everything that a machine is made from; it tells nothing of the key in the user data."""
    texts = pulumi.Output.all(*parts)
    return pulumi.Output.unsecret(texts.apply(lambda each: hashlib.sha256(json.dumps(each).encode()).hexdigest()))
