"""What a lab takes of the disk: the one table from which `doctor`, `up` and the README have their figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GO_MODULES_MIB = 3328
"""What Go downloads for a toolchain that is built here: 3.0 GiB were measured."""

GO_BUILD_MIB = 2816
"""What Go compiles for it and keeps: 2.5 GiB were measured."""

TOOLS_MIB = 1024
"""The engine and its plugins while they are made, and the Go that they are built with where none is on PATH."""

IMAGE_MIB = 2560
"""The nodes' image has 0.7 GiB, and is there three times while it is made: as a root, as a disk, and packed."""

COPY_MIB = 768
"""A lab's own copy of the image."""

NODE_MIB = 2432
"""What a node's disks may come to take: 2 GiB of data, and what the root disk grows by."""

ANOTHER_CACHE = "set XDG_CACHE_HOME to a folder on another"
ANOTHER_CHECKOUT = "move the checkout to another"


@dataclass(frozen=True)
class Need:
    """Room for one thing that is still to be made."""

    what: str
    mib: int
    folder: Path
    """Where it goes; the folder need not exist yet."""
    way_out: str = ""
    """How it goes to another file system, as the end of a sentence; empty where it can't."""


def for_toolchain(cache: Path) -> Need:
    """What a toolchain takes that is still to be made."""
    return Need("the toolchain", TOOLS_MIB, cache, ANOTHER_CACHE)


def for_go(modules: Path, compiled: Path) -> list[Need]:
    """What Go keeps of a build, in the two folders of its own."""
    return [
        Need("Go's modules", GO_MODULES_MIB, modules, "set GOMODCACHE to a folder on another"),
        Need("Go's build cache", GO_BUILD_MIB, compiled, "set GOCACHE to a folder on another"),
    ]


def for_image(cache: Path) -> Need:
    """What an image takes that is still to be made."""
    return Need("the nodes' image", IMAGE_MIB, cache, ANOTHER_CACHE)


def for_disks(folder: Path, nodes: int, way_out: str = "") -> Need:
    """What the disks of a lab of so many nodes may come to need where they are kept."""
    return Need("the nodes' disks", COPY_MIB + nodes * NODE_MIB, folder, way_out)
