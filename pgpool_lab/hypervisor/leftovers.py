"""What an interrupted update left in the private libvirt without recording it would block the next one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping

from pgpool_lab.hypervisor.daemon import uri
from pgpool_lab.paths import LabPaths

REMOVAL: dict[str, tuple[tuple[str, ...], ...]] = {
    "domain": (("destroy",), ("undefine", "--managed-save", "--snapshots-metadata", "--nvram")),
    "net": (("net-destroy",), ("net-undefine",)),
    "pool": (("pool-destroy",), ("pool-undefine",)),
}
"""How each kind of object is ended and forgotten, in the order in which they depend on one another."""

LISTING: dict[str, tuple[str, ...]] = {
    "domain": ("list", "--all", "--uuid"),
    "net": ("net-list", "--all", "--uuid"),
    "pool": ("pool-list", "--all", "--uuid"),
}


def unrecorded(found: Mapping[str, Iterable[str]], recorded: set[str]) -> list[tuple[str, str]]:
    """Kind and UUID of every object that libvirt has and the engine's state does not."""
    return [(kind, uuid) for kind in REMOVAL for uuid in found.get(kind, ()) if uuid not in recorded]


def forget_unrecorded(lab: LabPaths, recorded: set[str]) -> None:
    """Remove machines, networks and pools whose UUID the engine's state does not have. Disks stay."""
    found = {kind: virsh(lab, *listing).split() for kind, listing in LISTING.items()}
    for kind, uuid in unrecorded(found, recorded):
        for verb in REMOVAL[kind]:
            virsh(lab, verb[0], uuid, *verb[1:])


def virsh(lab: LabPaths, *arguments: str) -> str:
    """What one virsh command prints; a failure prints nothing (an object that is not running cannot be ended)."""
    command = ["virsh", "-q", "-c", uri(lab), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
