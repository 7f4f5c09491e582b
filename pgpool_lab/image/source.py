"""A file that a setting names: by path, by address and checksum, or by its coordinates in a Maven repository."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.image.recipe import file_digest
from pgpool_lab.paths import given_file
from pgpool_lab.progress import run

PATIENCE = ("--connect-timeout", "30", "--speed-limit", "1000", "--speed-time", "60")
"""curl's bounds: an image may take as long as its gigabyte takes, as long as it comes."""


@dataclass(frozen=True)
class Source:
    """What one `source` setting says. `key` is the object that holds it, such as `pgpool`."""

    key: str
    what: str
    """The file's name for a user, such as "pgpool's source tarball"."""
    where: str
    sha256: str | None


def check(source: Source) -> None:
    """Refuse what can be known to be wrong before anything is done: a missing file, a wrong checksum."""
    kind, _, where = source.where.partition(":")
    if kind == "path":
        path = given_file(where)
        if not path.is_file():
            raise LabError(f"{source.key}.source: {path} does not exist", f"give the path of {source.what}")
        verify(source, path)


def verify(source: Source, path: Path) -> None:
    """Compare a file with its checksum, where one is given."""
    if source.sha256 is None:
        return
    found = file_digest(path)
    if found != source.sha256:
        raise LabError(
            f"{source.key}.sha256: {path} has checksum {found}, not {source.sha256}",
            f"get the right file, or correct {source.key}.sha256",
        )


def fetch(source: Source, folder: Path, log: Path) -> Path:
    """The file; a download goes to `folder`. Raises LabError when it can't be had, or is not the right one."""
    check(source)
    kind, _, where = source.where.partition(":")
    if kind == "path":
        return given_file(where)
    remedy = f"check {source.key}.source, or download it yourself and give its path"
    if kind == "url":
        target = folder / f"{source.key}.download"
        command: list[str | Path] = ["curl", "--fail", "--silent", "--show-error", "--location", *PATIENCE]
        run([*command, "-o", target, where], title=f"Downloading {where}", log=log, remedy=remedy)
    else:
        if shutil.which("mvn") is None:
            raise LabError(
                f"{source.key}.source: {source.where} is fetched with Maven, and there is no mvn on PATH",
                f"apt-get install maven, or download it yourself and give {source.key}.source: path:FILE",
            )
        into = folder / f"{source.key}.maven"
        command = ["mvn", "--batch-mode", "dependency:copy", f"-Dartifact={where}", f"-DoutputDirectory={into}"]
        run(command, title=f"Downloading {where} with Maven", log=log, remedy=remedy, cwd=folder)
        target = next(into.iterdir())
    verify(source, target)
    return target
