"""What a base image is made from, and the hash that names it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pgpool_lab.paths import PROJECT, given_file
from pgpool_lab.settings import LabSettings
from pgpool_lab.versions import distributions, pgpool

SCRIPTS = ("install", "boot")
"""Folders below cloud-init/ whose scripts run while the image is built."""

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


@dataclass(frozen=True)
class ImageRecipe:
    """One base image. `boot` is `fast`, or `default` for the distribution's own boot (to compare with)."""

    distribution: str = "debian12"
    postgresql_version: str = "15"
    postgresql_source: str = "distribution"
    postgresql_sha256: str | None = None
    pgpool_version: str = "4.3.5"
    pgpool_source: str = "distribution"
    pgpool_sha256: str | None = None
    boot: str = "fast"

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
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def environment(self) -> dict[str, str]:
        """What the install scripts are told of the versions; where the tarball lies is added by who runs them."""
        release = pgpool.traits(self.pgpool_version)
        return {
            "POSTGRESQL_VERSION": self.postgresql_version,
            "PGPOOL_VERSION": self.pgpool_version,
            "PGPOOL_CONFIGURE": release.configure_options,
            "PGPOOL_CFLAGS": release.compiler_flags,
            "BUILD_PACKAGES": " ".join(distributions.build_packages(self.distribution, self.postgresql_version)),
            **({} if self.packaged else {"POSTGRESQL_PREFIX": distributions.ARCHIVE_PREFIX}),
        }

    def packages(self) -> tuple[str, ...]:
        """Everything that the root is made of; the build tools come and go."""
        if self.packaged:
            return (*PACKAGES, *distributions.server_packages(self.distribution, self.postgresql_version))
        return (*PACKAGES, *distributions.client_packages(self.distribution))

    @property
    def packaged(self) -> bool:
        """Whether PostgreSQL's server comes as packages."""
        return self.postgresql_source in distributions.PACKAGED

    def content_hash(self) -> str:
        """Hash of all that goes into the image and is known beforehand: recipe, packages, scripts, given files."""
        digest = hashlib.sha256(self.to_json().encode())
        digest.update(json.dumps([self.packages(), self.environment()]).encode())
        for path in script_files():
            digest.update(path.name.encode() + path.read_bytes())
        digest.update((Path(__file__).parent / "builder.py").read_bytes())
        for source in (self.pgpool_source, self.postgresql_source):
            if source.startswith("path:"):
                file = given_file(source.removeprefix("path:"))
                digest.update(file.read_bytes() if file.is_file() else b"missing")
        return digest.hexdigest()


def script_files() -> list[Path]:
    return sorted(path for folder in SCRIPTS for path in (PROJECT / "cloud-init" / folder).glob("*.sh"))
