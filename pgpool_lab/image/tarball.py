"""pgpool's source tarball: by path, by address and checksum, or from the distribution's source package."""

from __future__ import annotations

import shutil
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.image import source
from pgpool_lab.image.recipe import ImageRecipe
from pgpool_lab.image.source import Source
from pgpool_lab.image.sources import debian_sources
from pgpool_lab.paths import cache_directory
from pgpool_lab.progress import run

KEY = "pgpool.source"


def of(recipe: ImageRecipe) -> Source:
    """The tarball that a recipe names."""
    return Source("pgpool", "pgpool's source tarball", recipe.pgpool_source, recipe.pgpool_sha256)


def obtain(recipe: ImageRecipe, folder: Path, log: Path) -> Path:
    """The tarball as a file; downloads go to `folder`."""
    wanted = of(recipe)
    if recipe.pgpool_source != "distribution":
        return source.fetch(wanted, folder, log)
    kept = cache_directory() / "tarballs" / f"pgpool2_{recipe.pgpool_version}.orig.tar.gz"
    if not kept.is_file():
        found = from_source_package(recipe, folder, log)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(found, kept)
    source.verify(wanted, kept)
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
