"""What a base image is made from, and the hash that names it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Self

from pgpool_lab.paths import PROJECT, given_file
from pgpool_lab.settings import LabSettings
from pgpool_lab.versions import distributions, pgpool

SCRIPTS = ("install", "boot")
"""Folders below cloud-init/ whose scripts run while the image is built."""

STOCK_SCRIPTS = ("install", "stock")
"""Those whose scripts run on the machines that a stock image boots."""

PACKAGES = (
    "systemd-sysv",
    "udev",
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "busybox-static",
    "cpio",
    "cloud-init",
    "openssh-server",
    "openssh-client",
    "sudo",
    "iproute2",
    "iputils-arping",
    "iputils-ping",
    "procps",
    "python3",
)


PLAIN_PACKAGES = (
    *(name for name in PACKAGES if name != "iputils-arping"),
    # What a distribution's cloud image grows its root with.
    "cloud-guest-utils",
)
"""What a plain image is made of: more than the least, and nothing of PostgreSQL or pgpool."""


@dataclass(frozen=True)
class ImageRecipe:
    """One base image: built, or a stock image and what its machines install.

    `boot` is `fast`, `default` for the distribution's own boot (to compare with), or `plain` for an image without
    anything of the lab's, which stands in for a stock image.
    """

    distribution: str = "debian12"
    postgresql_version: str = "15"
    postgresql_source: str = "distribution"
    postgresql_sha256: str | None = None
    pgpool_version: str = "4.3.5"
    pgpool_source: str = "distribution"
    pgpool_sha256: str | None = None
    boot: str = "fast"
    image_source: str | None = None
    image_sha256: str | None = None

    @classmethod
    def of(cls, settings: LabSettings) -> Self:
        """The image that a lab's nodes need."""
        return cls(
            distribution=settings.image.distribution,
            postgresql_version=settings.postgresql.version,
            postgresql_source=settings.postgresql.source,
            postgresql_sha256=settings.postgresql.sha256,
            pgpool_version=settings.pgpool.version,
            pgpool_source=settings.pgpool.source,
            pgpool_sha256=settings.pgpool.sha256,
            image_source=settings.image.source,
            image_sha256=settings.image.sha256,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def environment(self) -> dict[str, str]:
        """What the install scripts are told of the versions; where the tarball lies is added by who runs them."""
        release = pgpool.traits(self.pgpool_version)
        family, packaged = distributions.family(self.distribution), self.packaged_postgresql
        return {
            # Not INSTALL, which is a variable of configure's own.
            "INSTALL_PACKAGES": family.install,
            "POSTGRESQL_VERSION": self.postgresql_version,
            "POSTGRESQL_BIN": distributions.binaries(self.distribution, packaged),
            "POSTGRESQL_SERVICE": distributions.named(family.service, packaged),
            "RUNTIME_PACKAGES": " ".join(distributions.runtime_packages(self.distribution, packaged)),
            "PGPOOL_VERSION": self.pgpool_version,
            "PGPOOL_CONFIGURE": release.configure_options,
            "PGPOOL_CFLAGS": release.compiler_flags,
            "BUILD_PACKAGES": " ".join(distributions.build_packages(self.distribution, packaged)),
            **(
                {
                    "DATA_LINK": distributions.named(family.data, packaged),
                    "DATA_DIRECTORY": distributions.DATA_DIRECTORY,
                }
                if self.packaged
                else {"POSTGRESQL_PREFIX": distributions.ARCHIVE_PREFIX}
            ),
        }

    def packages(self) -> tuple[str, ...]:
        """Everything that the root is made of; the build tools come and go."""
        return PLAIN_PACKAGES if self.boot == "plain" else (*PACKAGES, *self.postgresql_packages())

    def postgresql_packages(self) -> list[str]:
        """PostgreSQL's packages on a node; beside an archive of a server, the distribution's client programs."""
        if self.packaged:
            return distributions.server_packages(self.distribution, self.postgresql_version)
        return distributions.client_packages(self.distribution)

    @property
    def packaged_postgresql(self) -> str:
        """Version of the PostgreSQL that comes as packages: the server's, or the client programs'."""
        return self.postgresql_version if self.packaged else distributions.client_version(self.distribution)

    @property
    def stock(self) -> bool:
        """Whether the image is a stock one, whose machines install the rest themselves."""
        return self.image_source is not None

    @property
    def packaged(self) -> bool:
        """Whether PostgreSQL's server comes as packages."""
        return self.postgresql_source in distributions.PACKAGED

    def content_hash(self) -> str:
        """Hash of all that goes into the image and is known beforehand: recipe, packages, scripts, given files."""
        digest = hashlib.sha256(self.to_json().encode())
        digest.update(json.dumps([self.packages(), self.environment()]).encode())
        for path in script_files(STOCK_SCRIPTS if self.stock else SCRIPTS):
            digest.update(path.name.encode() + path.read_bytes())
        if not self.stock:
            digest.update((Path(__file__).parent / "builder.py").read_bytes())
        for source in (self.pgpool_source, self.postgresql_source, self.image_source or ""):
            if source.startswith("path:"):
                digest.update(file_digest(given_file(source.removeprefix("path:"))).encode())
        return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits, or `missing`. An unchanged file is read once a process."""
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return _digest(path, status.st_mtime_ns, status.st_size) if path.is_file() else "missing"


@cache
def _digest(path: Path, _changed: int, _size: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def script_files(folders: Sequence[str] = SCRIPTS) -> list[Path]:
    """The scripts in folders below cloud-init/, by name."""
    return sorted(path for folder in folders for path in (PROJECT / "cloud-init" / folder).glob("*.sh"))
