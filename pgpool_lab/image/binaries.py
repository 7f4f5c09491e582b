"""PostgreSQL from an archive of binaries: whatever the archive is, a tar file with bin/, lib/ and share/ comes out."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.image import source
from pgpool_lab.image.recipe import ImageRecipe
from pgpool_lab.image.source import Source

KEY = "postgresql.source"
REMEDY = "give an archive with bin/, lib/ and share/"
SERVER = ("postgres", "initdb", "pg_ctl")
"""Programs without which there is no server. What else is missing is found out on the nodes."""


def of(recipe: ImageRecipe) -> Source | None:
    """The archive that a recipe names; None when PostgreSQL comes as packages."""
    if recipe.packaged:
        return None
    what = "an archive of PostgreSQL's programs"
    return Source("postgresql", what, recipe.postgresql_source, recipe.postgresql_sha256)


def obtain(recipe: ImageRecipe, folder: Path, log: Path) -> Path | None:
    """The programs as a tar file in `folder`; None when PostgreSQL comes as packages.

    Raises LabError when the archive can't be had, or holds no server.
    """
    wanted = of(recipe)
    if wanted is None:
        return None
    archive = source.fetch(wanted, folder, log)
    unpacked = folder / "binaries"
    unpack(archive, unpacked)
    root = server_folder(unpacked)
    packed = folder / "postgresql.tar"
    with tarfile.open(packed, "w") as tar:
        for name in ("bin", "lib", "share"):
            if (root / name).is_dir():
                tar.add(root / name, name)
    return packed


def unpack(archive: Path, into: Path) -> None:
    """A zip or jar file, or a tar file of any compression; a tar file inside a zip file is unpacked as well."""
    into.mkdir()
    if zipfile.is_zipfile(archive):
        with told_if_damaged(archive), zipfile.ZipFile(archive) as outer:
            outer.extractall(into)
            # It keeps no modes.
            for program in into.glob("**/bin/*"):
                program.chmod(0o755)
        for inner in [path for path in into.iterdir() if path.is_file() and tarfile.is_tarfile(path)]:
            extract(inner, into)
    elif tarfile.is_tarfile(archive):
        extract(archive, into)
    else:
        raise LabError(f"{KEY}: {archive} is neither a tar nor a zip file", REMEDY)


def extract(archive: Path, into: Path) -> None:
    with told_if_damaged(archive), tarfile.open(archive) as tar:
        tar.extractall(into, filter="data")


@contextmanager
def told_if_damaged(archive: Path) -> Iterator[None]:
    """Raise LabError for what a damaged archive raises."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise LabError(f"{KEY}: {archive} cannot be unpacked: {error}", REMEDY) from None


def server_folder(unpacked: Path) -> Path:
    """The folder that holds bin/ with the server's programs. Raises LabError when there is none."""
    for program in sorted(unpacked.glob("**/bin/postgres")):
        missing = [name for name in SERVER if not (program.parent / name).is_file()]
        if not missing:
            return program.parent.parent
    raise LabError(f"{KEY}: the archive holds no bin/ with {', '.join(SERVER)}", REMEDY)
