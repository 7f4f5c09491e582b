"""What a lab takes of the disk: the one table from which `doctor`, `up` and the README have their figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GO_MIB = 6 * 1024
"""What Go downloads for a toolchain that is built here, and what it compiles: 5.6 GiB were measured."""

TOOLS_MIB = 1024
"""The engine and its plugins while they are made, and the Go that they are built with where none is on PATH."""

IMAGE_MIB = 2560
"""The nodes' image has 0.7 GiB, and is there three times while it is made: as a root, as a disk, and packed."""

DISKS_MIB = 5632
"""What a lab may come to need: its copy of the image, two data disks of 2 GiB, and what the root disks grow by."""


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


def for_cache(cache: Path, *, toolchain_mib: int, image: bool) -> list[Need]:
    """What is still to be made in the cache: a toolchain that takes so much, 0 where one is there, and an image."""
    wanted = {"the toolchain": toolchain_mib, "the nodes' image": IMAGE_MIB if image else 0}
    return [Need(what, mib, cache, ANOTHER_CACHE) for what, mib in wanted.items() if mib]


def for_disks(folder: Path, way_out: str = "") -> Need:
    """What the disks of a lab may come to need where they are kept."""
    return Need("the nodes' disks", DISKS_MIB, folder, way_out)
