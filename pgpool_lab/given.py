"""The files that a lab needs and that its user has to give, as the settings' `path:FILE` sources name them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pgpool_lab.errors import LabError
from pgpool_lab.paths import given_file
from pgpool_lab.settings import LabSettings


class Given(NamedTuple):
    """One file: the key that names it, what it is, and where it is looked for."""

    key: str
    what: str
    path: Path


def given(settings: LabSettings) -> Iterator[Given]:
    """Every file that the settings name."""
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


def check(settings: LabSettings, stack_file: Path) -> None:
    """Name all that are missing at once, before anything is created; and what cannot be used yet. Raises LabError."""
    missing = [file for file in given(settings) if not file.path.is_file()]
    if missing:
        lines = "".join(f"\n  {file.key}: {file.path}: {file.what}" for file in missing)
        raise LabError(
            f"the lab needs files that are not there:{lines}",
            f"put each where its key says, or correct the path in {stack_file}, and add its sha256 beside the source",
        )
    if settings.image.source is not None or settings.postgresql.source == "project":
        raise LabError(
            "image.source, postgresql.source: machines are not made from cloud images yet, nor from the PostgreSQL "
            "project's packages: their configuration is rendered and checked only",
            "leave both away (the lab builds an image of debian12), or give PostgreSQL as an archive",
        )
