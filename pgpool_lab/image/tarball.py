"""pgpool's source tarball: by path, by address and checksum, or from the distribution's source package."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.image.recipe import ImageRecipe
from pgpool_lab.image.sources import debian_sources
from pgpool_lab.paths import cache_directory
from pgpool_lab.progress import run

KEY = "pgpool.source"


def check(recipe: ImageRecipe) -> None:
    """Refuse, before anything is created, what can be known to be wrong: a missing file, a wrong checksum."""
    if recipe.pgpool_source.startswith("path:"):
        path = Path(recipe.pgpool_source.removeprefix("path:"))
        if not path.is_file():
            raise LabError(f"{KEY}: {path} does not exist", "give the path of pgpool's source tarball")
        verify(path, recipe.pgpool_sha256)


def verify(path: Path, expected: str | None) -> None:
    """Compare a tarball with its checksum, where one is given."""
    if expected is None:
        return
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise LabError(
            f"pgpool.sha256: {path} has checksum {found}, not {expected}",
            "get the right tarball, or correct pgpool.sha256",
        )


def obtain(recipe: ImageRecipe, folder: Path, log: Path) -> Path:
    """The tarball as a file; downloads go to `folder`."""
    check(recipe)
    kind, _, where = recipe.pgpool_source.partition(":")
    if kind == "path":
        return Path(where)
    if kind == "url":
        target = folder / "pgpool.tar.gz"
        run(
            [
                "curl",
                "--fail",
                "--silent",
                "--show-error",
                "--location",
                "--max-time",
                "600",
                "-o",
                target,
                where,
            ],
            title=f"Downloading {where}",
            log=log,
            remedy=f"check {KEY}, or download it yourself and give its path",
        )
        verify(target, recipe.pgpool_sha256)
        return target
    kept = cache_directory() / "tarballs" / f"pgpool2_{recipe.pgpool_version}.orig.tar.gz"
    if not kept.is_file():
        found = from_source_package(recipe, folder, log)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(found, kept)
    verify(kept, recipe.pgpool_sha256)
    return kept


def from_source_package(recipe: ImageRecipe, folder: Path, log: Path) -> Path:
    """The upstream tarball inside the distribution's source package, with an apt configuration of its own."""
    sources = folder / "source.sources"
    sources.write_text(debian_sources(recipe.distribution, "deb-src"))
    (folder / "lists" / "partial").mkdir(parents=True)
    options = ["-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=/dev/null"]
    options += ["-o", f"Dir::State::lists={folder}/lists", "-o", "APT::Sandbox::User=root"]
    run(["apt-get", *options, "update"], title="Reading the source packages' index", log=log)
    run(
        ["apt-get", *options, "source", "--download-only", "pgpool2"],
        title="Downloading pgpool's source package",
        log=log,
        cwd=folder,
        remedy=f"give a tarball of your own with {KEY}: path:FILE",
    )
    expected = f"pgpool2_{recipe.pgpool_version}.orig.tar.gz"
    if not (folder / expected).is_file():
        found = ", ".join(path.name for path in folder.glob("*.orig.tar.*"))
        raise LabError(
            f"pgpool.version: the distribution's source package has {found}, not {recipe.pgpool_version}",
            f"choose that version, or give a tarball with {KEY}: path:FILE",
        )
    return folder / expected
