"""Distributions of the nodes: two families of package management, and what else a node's set-up must know.

Source: the distributions' release notes; PostgreSQL's download pages for the package names and folders of its own
repositories (apt.postgresql.org, yum.postgresql.org; Debian's own packages use the same folders as the former).
"""

from __future__ import annotations

from dataclasses import dataclass

AGENT_PYTHON = (3, 10)
"""What the agent on the nodes is written in: `match`."""


@dataclass(frozen=True)
class Family:
    """What the distributions of one family have in common. `{version}` is PostgreSQL's, `{digits}` it without a dot."""

    refresh: str
    """Reads the index of packages."""
    install: str
    """Installs packages, with the names to be added."""
    server: tuple[str, ...]
    """PostgreSQL's packages, in its own repository."""
    client: tuple[str, ...]
    """psql and pg_basebackup, and what makes the service account `postgres`."""
    devel: tuple[str, ...]
    """libpq's headers and pg_config."""
    build_tools: tuple[str, ...]
    """What pgpool's compilation needs beside them."""
    binaries: str
    """Folder of PostgreSQL's programs."""
    data: str
    """Where PostgreSQL's packages keep data."""
    home: str
    """Home of the service account `postgres`."""


FAMILIES: dict[str, Family] = {
    "debian": Family(
        refresh="apt-get update",
        install="apt-get install -y --no-install-recommends",
        server=("postgresql-{version}",),
        client=("postgresql-client-{version}", "postgresql-common"),
        devel=("libpq-dev",),
        build_tools=("gcc", "make", "libc6-dev", "libssl-dev"),
        binaries="/usr/lib/postgresql/{version}/bin",
        data="/var/lib/postgresql/{version}/main",
        home="/var/lib/postgresql",
    ),
    "el": Family(
        refresh="yum makecache",
        install="yum install -y",
        server=("postgresql{digits}-server", "postgresql{digits}-contrib"),
        client=("postgresql{digits}", "postgresql{digits}-server"),
        devel=("postgresql{digits}-devel",),
        build_tools=("gcc", "make", "glibc-devel", "openssl-devel"),
        binaries="/usr/pgsql-{version}/bin",
        data="/var/lib/pgsql/{version}/data",
        home="/var/lib/pgsql",
    ),
}


@dataclass(frozen=True)
class Distribution:
    """One release of a distribution."""

    family: str
    python: tuple[int, int]
    """The `python3` of its own packages."""
    locale: str
    """A UTF-8 locale that is always there, in initdb's words."""
    postgresql: str | None = None
    """The version among its own packages, where pgpool is known to be compiled against it."""
    pgpool: str | None = None
    """The release whose source package it has."""
    codename: str | None = None
    """Its name in package sources, where the base image can be built from them."""


DISTRIBUTIONS: dict[str, Distribution] = {
    "debian12": Distribution(
        "debian", python=(3, 11), locale="C.UTF-8", postgresql="15", pgpool="4.3.5", codename="bookworm"
    ),
    "ubuntu2204": Distribution("debian", python=(3, 10), locale="C.UTF-8", postgresql="14"),
    "rocky9": Distribution("el", python=(3, 9), locale="C.UTF-8", postgresql="13"),
    # glibc has C.UTF-8 since 2.35, and Fedora's line since version 8 of the enterprise one.
    "centos7": Distribution("el", python=(3, 6), locale="en_US.UTF-8"),
}

PACKAGED = ("distribution", "project")
"""Sources of PostgreSQL that are packages: the distribution's, and those of the PostgreSQL project's repository."""

ARCHIVE_PREFIX = "/usr/local/postgresql"
"""Where PostgreSQL's programs from an archive are put."""

BUILT = tuple(name for name, distribution in DISTRIBUTIONS.items() if distribution.codename)
"""Distributions whose base image the lab builds itself."""


def family(distribution: str) -> Family:
    """The family that a distribution belongs to."""
    return FAMILIES[DISTRIBUTIONS[distribution].family]


def named(pattern: str, postgresql: str) -> str:
    """A package's or folder's name for one PostgreSQL version."""
    return pattern.format(version=postgresql, digits=postgresql.replace(".", ""))


def binaries(distribution: str, postgresql: str) -> str:
    """Folder of a PostgreSQL version's programs as packages install them."""
    return named(family(distribution).binaries, postgresql)


def server_binaries(distribution: str, postgresql: str, source: str) -> str:
    """Folder of the server's programs: where packages install them, or where an archive of them is put."""
    return binaries(distribution, postgresql) if source in PACKAGED else f"{ARCHIVE_PREFIX}/bin"


def client_version(distribution: str) -> str:
    """The distribution's own PostgreSQL: its clients speak to a server that came without any.

    Raises LookupError for a distribution without one.
    """
    version = DISTRIBUTIONS[distribution].postgresql
    if version is None:
        raise LookupError(distribution)
    return version


def client_packages(distribution: str) -> list[str]:
    """The packages of the distribution's own client programs, and what makes the service account."""
    return [named(package, client_version(distribution)) for package in family(distribution).client]


def server_packages(distribution: str, postgresql: str) -> list[str]:
    """The packages that a PostgreSQL server comes in."""
    return [named(package, postgresql) for package in family(distribution).server]


def build_packages(distribution: str, postgresql: str) -> list[str]:
    """The packages that pgpool's compilation needs."""
    chosen = family(distribution)
    return [*chosen.build_tools, *(named(package, postgresql) for package in chosen.devel)]
