"""The system packages that the lab needs, and what proves that each is there.

libvirt-daemon instead of libvirt-daemon-system: the lab runs libvirtd by itself, and the latter would start the
system's own one, with a network 192.168.122.0/24 on this machine. No package in this table, nor one that it depends
on, starts a service.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where Debian keeps programs; a user's own PATH leaves the sbin folders out."""


@dataclass(frozen=True)
class Requirement:
    """Something to run, the packages of which the first that apt knows supplies it, and what it is for."""

    proof: str
    """A program's name, or a pattern of absolute paths."""
    packages: tuple[str, ...]
    reason: str


REQUIREMENTS = (
    Requirement("qemu-system-x86_64", ("qemu-system-x86",), "runs the nodes"),
    Requirement("qemu-img", ("qemu-utils",), "packs the base image"),
    Requirement("libvirtd", ("libvirt-daemon",), "manages nodes, disks and the network"),
    # Debian 13 splits the drivers off.
    Requirement(
        "/usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so",
        ("libvirt-daemon-driver-qemu",),
        "libvirt's driver for QEMU",
    ),
    Requirement(
        "/usr/lib/*/libvirt/connection-driver/libvirt_driver_network.so",
        ("libvirt-daemon-driver-network", "libvirt-daemon"),
        "libvirt's driver for networks",
    ),
    Requirement(
        "/usr/lib/*/libvirt/connection-driver/libvirt_driver_storage.so",
        ("libvirt-daemon-driver-storage", "libvirt-daemon"),
        "libvirt's driver for disks",
    ),
    Requirement("virsh", ("libvirt-clients",), "asks libvirt"),
    Requirement("dnsmasq", ("dnsmasq-base",), "libvirt's network driver starts only with it"),
    Requirement("iptables", ("iptables",), "libvirt's network driver writes the bridge's rules with it"),
    Requirement("mkisofs", ("genisoimage",), "makes the cloud-init seeds"),
    Requirement("xsltproc", ("xsltproc",), "the libvirt plugin adapts definitions with it"),
    Requirement("ip", ("iproute2",), "makes the lab's network namespace"),
    Requirement("nsenter", ("util-linux",), "runs commands in the lab's network namespace"),
    Requirement("mmdebstrap", ("mmdebstrap",), "builds the base image's root"),
    Requirement("sfdisk", ("fdisk",), "partitions the base image"),
    Requirement("mkfs.ext4", ("e2fsprogs",), "makes the base image's file system"),
    Requirement("losetup", ("mount", "util-linux"), "makes the base image accessible while it is built"),
    Requirement("extlinux", ("extlinux",), "boots the base image"),
    Requirement("/usr/lib/EXTLINUX/mbr.bin", ("extlinux",), "boots the base image"),
    Requirement(
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        ("debian-archive-keyring",),
        "proves that the base image's packages are Debian's",
    ),
    Requirement("curl", ("curl",), "downloads what a `url:` source names, and the official toolchain"),
    Requirement("ssh-keygen", ("openssh-client",), "makes the lab's keys"),
    Requirement("ssh", ("openssh-client",), "enters the nodes"),
    Requirement("arping", ("iputils-arping",), "asks who answers for the virtual IP"),
    Requirement("psql", ("postgresql-client",), "`lab psql`"),
)


ASKING = ("ssh", "arping", "psql")
"""Proofs of what it takes to ask a lab that was built elsewhere, and to get into it."""


def has(proof: str) -> bool:
    """Whether a requirement's proof is on this machine."""
    if proof.startswith("/"):
        return any(Path("/").glob(proof.removeprefix("/")))
    return shutil.which(proof, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}") is not None


def missing(
    requirements: Iterable[Requirement] = REQUIREMENTS, present: Callable[[str], bool] = has
) -> list[Requirement]:
    """The requirements whose proof is not there."""
    return [requirement for requirement in requirements if not present(requirement.proof)]


def choose(requirements: Iterable[Requirement], known: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """The packages to install, each once, and the names of those that the package index does not have."""
    chosen: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for requirement in requirements:
        found = next((package for package in requirement.packages if known(package)), None)
        if found is None:
            # The last alternative is the oldest name.
            unknown[requirement.packages[-1]] = None
        else:
            chosen[found] = None
    return list(chosen), list(unknown)
