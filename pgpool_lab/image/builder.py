"""Builds a base image natively: a Debian root with PostgreSQL and pgpool, on a bootable disk."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.image import binaries, source, tarball
from pgpool_lab.image.recipe import ImageRecipe, script_files
from pgpool_lab.image.sources import codename, debian_sources
from pgpool_lab.image.workspace import workspace
from pgpool_lab.paths import cache_directory
from pgpool_lab.progress import console, run, step

DISK_MIB = 3072
"""Size of the root disk, most of it unused: the qcow2 file holds what is written."""

START = 1024 * 1024
"""Offset of the one partition, in bytes."""

INSIDE = "/var/tmp/pgpool-lab"
"""Folder in the new root that holds the scripts and the tarball while they are used."""


def check(recipe: ImageRecipe) -> None:
    """Refuse, before anything is created, files that are missing or have another checksum than the one given."""
    for wanted in (tarball.of(recipe), binaries.of(recipe)):
        if wanted is not None:
            source.check(wanted)


def image_path(recipe: ImageRecipe) -> Path:
    return cache_directory() / "images" / f"{recipe.distribution}-{recipe.content_hash()[:16]}.qcow2"


OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private", "--")
"""What mmdebstrap mounts in the root, the host's /dev/shm among it, goes with it: ended by a signal it takes nothing
away, and whoever removes the folder would remove what is mounted there."""


def build(recipe: ImageRecipe) -> Path:
    """The image, built when it is not in the cache. Nothing half-made stays behind."""
    target = image_path(recipe)
    if target.is_file():
        return target
    if os.geteuid() != 0:
        raise LabError("building the base image needs root", "run ./lab up, which asks for it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_file():
            return target
        log = target.with_suffix(".log")
        log.unlink(missing_ok=True)
        with workspace(target.parent, "building-") as folder:
            finished = make(recipe, folder, log)
            finished.replace(target)
    return target


def make(recipe: ImageRecipe, folder: Path, log: Path) -> Path:
    """All steps, in a folder of its own."""
    plain = recipe.boot == "plain"
    given = {} if plain else obtain(recipe, folder, log)
    root = folder / "root"
    run(
        debootstrap(recipe, folder, root, given),
        title="Building a plain root: Debian as a cloud image has it"
        if plain
        else "Building the nodes' root: Debian, PostgreSQL, pgpool compiled from source",
        log=log,
    )
    raw, image = folder / "disk.raw", folder / "disk.qcow2"
    run(["bash", "-c", disk_script(root, raw)], title="Making the disk bootable", log=log)
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image], title="Packing the image", log=log)
    with step("Removing the build's files"):
        shutil.rmtree(root)
    console.print(f"  image: {image.stat().st_size // 2**20} MiB")
    return image


def obtain(recipe: ImageRecipe, folder: Path, log: Path) -> dict[str, Path]:
    """The files that the install scripts need, by the variable that tells them where they lie."""
    found = {"PGPOOL_TARBALL": tarball.obtain(recipe, folder, log)}
    if archive := binaries.obtain(recipe, folder, log):
        found["POSTGRESQL_ARCHIVE"] = archive
    return found


NO_CLUSTER = (
    "--essential-hook=mkdir -p \"$1/etc/postgresql-common\"; echo 'create_main_cluster = false' "
    '>"$1/etc/postgresql-common/createcluster.conf"'
)

SCRIPTS: dict[str, tuple[str, ...]] = {
    "fast": ("postgresql.sh", "pgpool.sh", "disk.sh", "common.sh", "prepare.sh", "initramfs.sh"),
    "default": ("postgresql.sh", "pgpool.sh", "disk.sh", "common.sh"),
    "plain": ("disk.sh",),
}
"""What runs in the new root, by the recipe's boot."""


def debootstrap(recipe: ImageRecipe, folder: Path, root: Path, given: Mapping[str, Path]) -> list[str | Path]:
    """mmdebstrap, with this project's scripts as its hooks: it sets the root up for them and cleans up after them.

    `given` holds the files that the scripts need, by the variable that tells them where they lie.
    """
    sources = folder / "debian.sources"
    sources.write_text(debian_sources(recipe.distribution, "deb"))
    staged = folder / "inside"
    staged.mkdir()
    for path in script_files():
        shutil.copy(path, staged)
    for name, path in given.items():
        shutil.copy(path, staged / name)
    environment = {
        **recipe.environment(),
        **{name: f"{INSIDE}/{name}" for name in given},
        "PURGE_BUILD_TOOLS": "1",
    }
    told = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    hooks = [f'mkdir -p "$1{INSIDE}" && cp {shlex.quote(str(staged))}/* "$1{INSIDE}/"']
    hooks += [f'chroot "$1" env {told} bash {INSIDE}/{script}' for script in SCRIPTS[recipe.boot]]
    hooks += [f'rm -rf "$1{INSIDE}"']
    return [
        *OWN_MOUNTS,
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--include=" + ",".join(recipe.packages()),
        # No documentation on the nodes.
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        *([] if recipe.boot == "plain" else [NO_CLUSTER]),
        *[f"--customize-hook={hook}" for hook in hooks],
        codename(recipe.distribution),
        root,
        sources,
    ]


def disk_script(root: Path, raw: Path) -> str:
    """A disk with one partition that holds the root, and extlinux to boot it; the loop device goes in any case."""
    return f"""
set -euo pipefail
root={shlex.quote(str(root))} raw={shlex.quote(str(raw))}
truncate -s {DISK_MIB}M "$raw"
echo '{START // 512},,L,*' | sfdisk --quiet --label dos "$raw"
mbr=/usr/lib/EXTLINUX/mbr.bin
[ -f "$mbr" ] || mbr=/usr/lib/syslinux/mbr/mbr.bin
dd if="$mbr" of="$raw" bs=440 count=1 conv=notrunc status=none
loop=$(losetup --find --show --offset {START} "$raw")
mounted=$(mktemp -d)
trap 'umount "$mounted" 2>/dev/null || true; losetup --detach "$loop"; rmdir "$mounted"' EXIT
mkfs.ext4 -q -F -O '^64bit,^metadata_csum' -m 0 -E lazy_itable_init=1,lazy_journal_init=1 -d "$root" "$loop"
mount "$loop" "$mounted"
extlinux --install "$mounted/boot/extlinux"
"""
