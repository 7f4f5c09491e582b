"""The files that a lab needs and that its user has to give, as the settings' `path:FILE` sources name them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pgpool_lab.errors import LabError
from pgpool_lab.paths import given_file
from pgpool_lab.settings import LabSettings
from pgpool_lab.versions.distributions import AGENT_PYTHON, DISTRIBUTIONS, PYTHON_ARCHIVE, family


class Given(NamedTuple):
    """One file or folder: the key that names it, what it is, and where it is looked for."""

    key: str
    what: str
    path: Path


def given(settings: LabSettings) -> Iterator[Given]:
    """Every file that the settings name, and the folder of packages."""
    image, server, pool = settings.image, settings.postgresql, settings.pgpool
    sources = (
        ("image.source", f"a cloud image (qcow2) of {image.distribution}", image.source),
        ("postgresql.source", f"an archive of the programs of PostgreSQL {server.version}", server.source),
        ("pgpool.source", f"the source tarball of pgpool-II {pool.version}", pool.source),
    )
    for key, what, source in sources:
        kind, _, where = (source or "").partition(":")
        if kind == "path":
            yield Given(key, what, given_file(where))
    if image.source is not None and image.mirror is not None:
        yield Given("image.mirror", f"a folder of packages for {image.distribution}", given_file(image.mirror))


def check(settings: LabSettings, stack_file: Path, *, private: bool) -> None:
    """Name all that are missing at once, before anything is created; and what cannot be installed from anywhere.

    `private`: the lab has a libvirt and a network of its own, without a way out. Raises LabError.
    """
    missing = [file for file in given(settings) if not file.path.exists()]
    if missing:
        lines = "".join(f"\n  {file.key}: {file.path}: {file.what}" for file in missing)
        raise LabError(
            f"the lab needs files that are not there:{lines}",
            f"put each where its key says, or correct the path in {stack_file}, and add its sha256 beside the source",
        )
    if settings.image.source is not None:
        check_packages(settings, stack_file, private=private)


def check_packages(settings: LabSettings, stack_file: Path, *, private: bool) -> None:
    """Refuse machines from a stock image that would have nowhere to get their packages from. Raises LabError."""
    image = settings.image
    distribution = DISTRIBUTIONS[image.distribution]
    if image.mirror is not None:
        if not private:
            raise LabError(
                "image.mirror: it is served in the network of the lab's own libvirt only",
                f"./lab up without --system, or leave it out of {stack_file}: the machines then use the internet",
            )
        check_mirror(settings, given_file(image.mirror))
    elif distribution.needs_mirror:
        raise LabError(
            f"image.mirror: {image.distribution}'s packages come from archives only, and have no Python that the lab's "
            f"programs run on",
            f"make a folder with both, and name it in {stack_file} as image.mirror",
        )
    elif private:
        raise LabError(
            "image.source: its machines install packages, and the network of the lab's own libvirt has no way to the "
            "internet",
            f"name a folder of packages in {stack_file} as image.mirror, or use the system's libvirt with --system",
        )


def check_mirror(settings: LabSettings, folder: Path) -> None:
    """Refuse a mirror that could not serve the machines: each error names what is wrong and how it is mended."""
    image = settings.image
    chosen = family(image.distribution)
    if not folder.is_dir():
        raise LabError(
            f"image.mirror: {folder} is no folder", f"name one, with the packages of {image.distribution} in it"
        )
    if not (folder / chosen.index).is_file():
        raise LabError(
            f"image.mirror: {folder} is no repository of packages for {image.distribution}: it has no {chosen.index}",
            f"cd {folder} && {chosen.index_command}",
        )
    if DISTRIBUTIONS[image.distribution].needs_mirror and not (folder / PYTHON_ARCHIVE).is_file():
        wanted = ".".join(map(str, AGENT_PYTHON))
        raise LabError(
            f"image.mirror: {folder} has no {PYTHON_ARCHIVE}, and {image.distribution}'s own Python is too old for the "
            "lab's programs",
            f"put a relocatable Python {wanted} or later there, with python/bin/python3 in it",
        )
    for path in (folder, *sorted(folder.rglob("*"))):
        if path.is_symlink() and path != folder and not served(folder, path):
            raise LabError(
                f"image.mirror: {path} leads to nothing that is in {folder}, and its server sees that folder only",
                "put the file itself there, or a relative link to one in the folder",
            )
        wanted_bits = stat.S_IROTH | stat.S_IXOTH if path.is_dir() else stat.S_IROTH
        if path.stat().st_mode & wanted_bits != wanted_bits:
            raise LabError(
                f"image.mirror: {path} cannot be read by everybody, and its server runs without rights",
                f"chmod -R a+rX {folder}",
            )


def served(folder: Path, link: Path) -> bool:
    """Whether a link in a folder leads to something for a process whose root is that folder."""
    target = link.readlink()
    inside = os.path.normpath(link.parent.relative_to(folder) / target)
    return not target.is_absolute() and Path(inside).parts[:1] != ("..",) and link.exists()
