"""A stock cloud image: checked, fetched, and what the machines that boot it are told to install."""

from __future__ import annotations

import fcntl
import shlex
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.image import binaries, builder, source, tarball
from pgpool_lab.image.recipe import STOCK_SCRIPTS, ImageRecipe, script_files
from pgpool_lab.image.source import Source
from pgpool_lab.image.workspace import workspace
from pgpool_lab.paths import cache_directory, given_file
from pgpool_lab.versions import distributions

ROOT_BYTES = 12 * 1024**3
"""Capacity of a root disk, sparse: the largest of the known images has 10 GiB. cloud-init grows the root to it."""

SEED_PARENT = "/run/pgpool-lab-install"
"""Nobody but root may look into it: the user data on the seed hold the host's private key."""

SEED = f"{SEED_PARENT}/seed"
"""Where a node has its seed mounted from its installation to its next boot."""

STATE = "/var/lib/pgpool-lab-install"
"""Folder on a node that tells how far its installation is (cloud-init/stock/install.sh)."""

LOG = "/var/log/pgpool-lab-install.log"

DATA_FOLDER = "/var/lib/pgpool-lab"
"""Where the data disk is mounted, as in the lab's own image."""

COMMAND = (
    f"install -d -m 700 {SEED_PARENT} && mkdir -p {SEED} && "
    f"{{ mountpoint -q {SEED} || mount -o ro /dev/disk/by-label/cidata {SEED}; }} && "
    f"bash {SEED}/install.sh"
)
"""What cloud-init runs on a node; it may be repeated."""

QCOW2 = b"QFI\xfb"
"""First bytes of a qcow2 image; its capacity in bytes is the big-endian number at offset 24 (QEMU, qcow2.txt)."""


def of(recipe: ImageRecipe) -> Source:
    """The image that a recipe names."""
    what = f"a cloud image (qcow2) of {recipe.distribution}"
    return Source("image", what, recipe.image_source or "", recipe.image_sha256)


def image_path(recipe: ImageRecipe) -> Path:
    """Where the image is, or will be when it is downloaded: an address comes with its checksum."""
    kind, _, where = (recipe.image_source or "").partition(":")
    if kind == "path":
        return given_file(where)
    return cache_directory() / "images" / f"stock-{(recipe.image_sha256 or '')[:16]}.qcow2"


def check(recipe: ImageRecipe) -> None:
    """Refuse, before anything is created, files that are missing or are not what they should be. Raises LabError."""
    for wanted in (of(recipe), tarball.of(recipe), binaries.of(recipe)):
        if wanted is not None:
            source.check(wanted)
    if image_path(recipe).is_file():
        check_format(image_path(recipe))


def check_format(path: Path) -> None:
    """Refuse a file that is no qcow2 image, or one for larger disks. Raises LabError."""
    with path.open("rb") as stream:
        head = stream.read(32)
    if len(head) < 32 or not head.startswith(QCOW2):
        raise LabError(
            f"image.source: {path} is no qcow2 image",
            f"unpack it if it is compressed; convert another format with: qemu-img convert -O qcow2 {path} NEW",
        )
    size = int.from_bytes(head[24:32], "big")
    if size > ROOT_BYTES:
        raise LabError(
            f"image.source: the disk in {path} has {size} bytes, a node's root disk {ROOT_BYTES}",
            "give the distribution's cloud image, which is smaller",
        )


def folder(recipe: ImageRecipe) -> Path:
    """Folder with the files that the nodes are given, relative to the cache."""
    return Path("stock") / recipe.content_hash()[:16]


def obtain(recipe: ImageRecipe) -> Path:
    """The image, fetched with what its machines need where it is not in the cache. Nothing half-made stays behind.

    Raises LabError where something can't be had, or is not what it should be.
    """
    check(recipe)
    target, image = cache_directory() / folder(recipe), image_path(recipe)
    for parent in (target.parent, image.parent):
        parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        log = target.with_suffix(".log")
        if not image.is_file():
            with workspace(image.parent, "fetching-") as place:
                fetched = source.fetch(of(recipe), place, log)
                check_format(fetched)
                fetched.replace(image)
        if not target.is_dir():
            with workspace(target.parent, "fetching-") as place:
                files = place / "files"
                files.mkdir()
                for name, path in builder.obtain(recipe, place, log).items():
                    (files / name).write_bytes(path.read_bytes())
                files.rename(target)
    return image


@dataclass(frozen=True)
class Installation:
    """What a node's seed holds beside cloud-init's own documents."""

    texts: dict[str, str]
    copies: dict[str, str]
    """Paths in the cache, relative to it, by the name on the seed: another place of the cache is no other machine."""


def installation(recipe: ImageRecipe, *, compiles: bool, mirror: str | None) -> Installation:
    """What a machine installs, and from where; only one that `compiles` gets pgpool's source.

    `mirror` is the address of a repository with all that is needed, which ends with a slash.
    """
    files = ["PGPOOL_TARBALL"] if compiles else []
    files += [] if recipe.packaged else ["POSTGRESQL_ARCHIVE"]
    return Installation(
        texts={
            **{path.name: path.read_text() for path in script_files(STOCK_SCRIPTS)},
            "variables": "".join(
                f"{name}={shlex.quote(value)}\n"
                for name, value in variables(recipe, files, compiles=compiles, mirror=mirror).items()
            ),
        },
        copies={name: str(folder(recipe) / name) for name in files},
    )


def variables(recipe: ImageRecipe, files: list[str], *, compiles: bool, mirror: str | None) -> dict[str, str]:
    """What the scripts are told, by the names that they say they need."""
    distribution = distributions.DISTRIBUTIONS[recipe.distribution]
    family = distributions.family(recipe.distribution)
    steps = ["system.sh", "repository.sh", "postgresql.sh", "owner.sh"]
    steps += ["python.sh"] if distribution.needs_mirror else []
    steps += ["pgpool.sh"] if compiles else []
    file, text = family.repository
    return {
        # The same files under the same names are another seed when what is in them has changed.
        "MADE_FROM": recipe.content_hash(),
        "STEPS": " ".join(steps),
        "STATE": STATE,
        "LOG": LOG,
        "DATA_FOLDER": DATA_FOLDER,
        "MIRROR": mirror or "",
        "REPOSITORY_FILE": file,
        "REPOSITORY": text.format(address=mirror or ""),
        "OTHER_REPOSITORIES": family.other_repositories,
        "PROJECT_SETUP": (
            distributions.project_setup(recipe.distribution, recipe.postgresql_version)
            if recipe.postgresql_source == "project"
            else ""
        ),
        "REFRESH": family.refresh,
        "PYTHON_ARCHIVE": distributions.PYTHON_ARCHIVE,
        "INTERPRETER": distribution.interpreter,
        "NODE_PACKAGES": " ".join(node_packages(recipe)),
        **recipe.environment(),
        **{name: f"{SEED}/{name}" for name in files},
    }


def node_packages(recipe: ImageRecipe) -> list[str]:
    """All packages of a node beside the build tools."""
    distribution = distributions.DISTRIBUTIONS[recipe.distribution]
    return [
        *distributions.family(recipe.distribution).node,
        *distribution.interpreter_packages,
        *recipe.postgresql_packages(),
        *distributions.runtime_packages(recipe.distribution, recipe.packaged_postgresql),
    ]


def mirrored_packages(recipe: ImageRecipe) -> list[str]:
    """What a mirror must have, with all that it depends on."""
    return [
        *node_packages(recipe),
        *distributions.build_packages(recipe.distribution, recipe.packaged_postgresql),
    ]
