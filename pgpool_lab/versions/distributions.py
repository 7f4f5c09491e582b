"""Distributions of the nodes: two families of package management, and what else a node's set-up must know.

Source: the distributions' release notes; PostgreSQL's download pages for the package names and folders of its own
repositories (apt.postgresql.org, yum.postgresql.org; Debian's own packages use the same folders as the former).
"""

from __future__ import annotations

from dataclasses import dataclass

from pgpool_lab.versions.numbers import parse

AGENT_PYTHON = (3, 10)
"""What the agent on the nodes is written in: `match`."""


@dataclass(frozen=True)
class Family:
    """What the distributions of one family have in common. `{version}` is PostgreSQL's, `{digits}` it without a dot."""

    refresh: str
    """Reads the index of packages."""
    install: str
    """Installs packages, with the names to be added."""
    repository: tuple[str, str]
    """The file that names a repository of the lab's, and its text; `{address}` is the repository's."""
    other_repositories: str
    """Patterns of the files that name repositories, in a shell's words."""
    index: str
    """What every repository of this family has, from its own folder; made by `index_command`."""
    index_command: str
    node: tuple[str, ...]
    """What a node needs beside PostgreSQL and pgpool, and a stock image may lack.

    Both halves of OpenSSH: they depend on each other's version, and where only the client were named, a mirror that is
    newer than the image would have the server removed.
    """
    server: tuple[str, ...]
    """PostgreSQL's packages, in its own repository."""
    client: tuple[str, ...]
    """psql and pg_basebackup, and what makes the service account `postgres`."""
    devel: tuple[str, ...]
    """libpq's headers and pg_config."""
    build_tools: tuple[str, ...]
    """What pgpool's compilation needs beside them."""
    runtime: tuple[str, ...]
    """What a compiled pgpool is linked with."""
    binaries: str
    """Folder of PostgreSQL's programs."""
    data: str
    """Where PostgreSQL's packages keep data: a link to the lab's, which are on a volume of their own."""
    service: str
    """The service of PostgreSQL's packages, which the lab's own replaces."""
    interface: str | None
    """Name that cloud-init has to give the interface; None where it need not have one.

    sysconfig's files, which cloud-init writes on this family, tell an interface by its name.
    """


FAMILIES: dict[str, Family] = {
    "debian": Family(
        refresh="apt-get update",
        # A stock image's own updates may be at work: they take minutes where the processor is emulated.
        install="apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=600",
        # Trusted: who can change the folder on the host can change the machines as well.
        repository=("/etc/apt/sources.list.d/pgpool-lab.list", "deb [trusted=yes] {address} ./\n"),
        other_repositories="/etc/apt/sources.list /etc/apt/sources.list.d/*",
        index="Packages",
        index_command="dpkg-scanpackages --multiversion . >Packages",
        node=(
            "sudo",
            "iproute2",
            "iputils-arping",
            "iputils-ping",
            "procps",
            "openssh-client",
            "openssh-server",
            "python3",
        ),
        server=("postgresql-{version}",),
        client=("postgresql-client-{version}", "postgresql-common"),
        devel=("libpq-dev",),
        build_tools=("gcc", "make", "libc6-dev", "libssl-dev"),
        runtime=("libpq5", "libssl3"),
        binaries="/usr/lib/postgresql/{version}/bin",
        data="/var/lib/postgresql/{version}/main",
        service="postgresql.service",
        interface=None,
    ),
    "el": Family(
        refresh="yum makecache",
        install="yum install -y",
        repository=(
            "/etc/yum.repos.d/pgpool-lab.repo",
            "[pgpool-lab]\nname=pgpool-lab\nbaseurl={address}\nenabled=1\ngpgcheck=0\n",
        ),
        other_repositories="/etc/yum.repos.d/*",
        index="repodata/repomd.xml",
        index_command="createrepo .",
        node=("sudo", "iproute", "iputils", "procps-ng", "openssh-clients", "openssh-server", "tar", "e2fsprogs"),
        server=("postgresql{digits}-server", "postgresql{digits}-contrib"),
        client=("postgresql{digits}", "postgresql{digits}-server"),
        devel=("postgresql{digits}-devel",),
        build_tools=("gcc", "make", "glibc-devel", "openssl-devel"),
        runtime=("postgresql{digits}-libs", "openssl-libs"),
        binaries="/usr/pgsql-{version}/bin",
        data="/var/lib/pgsql/{version}/data",
        service="postgresql-{version}.service",
        interface="eth0",
    ),
}


@dataclass(frozen=True)
class Distribution:
    """One release of a distribution."""

    family: str
    python: tuple[int, int]
    """The `python3` of its own packages."""
    systemd: int
    locale: str
    """A UTF-8 locale that is always there, in initdb's words."""
    postgresql: str | None = None
    """The version among its own packages, where pgpool is known to be compiled against it."""
    pgpool: str | None = None
    """The release whose source package it has."""
    codename: str | None = None
    """Its name in package sources, where the base image can be built from them."""
    project: tuple[str, str] = ("10", "17")
    """Oldest and newest version among the PostgreSQL project's packages for it."""
    project_setup: str = ""
    """Command that makes the project's repository known, where machines have a way to it."""
    project_archive: str = ""
    """Command that, after it, makes the project's repository of ended versions known. `{version}` is PostgreSQL's."""
    interpreter: str = "/usr/bin/python3"
    """What runs the agent."""
    interpreter_packages: tuple[str, ...] = ()
    """Where `python` is too old for the agent: packages of a later one."""

    @property
    def needs_mirror(self) -> bool:
        """Whether no packages bring a Python that the agent runs on: a mirror has to, as PYTHON_ARCHIVE."""
        return self.python < AGENT_PYTHON and not self.interpreter_packages


# postgresql-common of Debian and Ubuntu comes with this script, and with the key that the repository is signed with.
APT_PROJECT = (
    "apt-get install -y --no-install-recommends postgresql-common ca-certificates && "
    "/usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y"
)

# Every package that the project's repository for Debian and Ubuntu had since 2013, signed with the same key.
APT_ARCHIVE = (
    ". /etc/os-release && key=(/usr/share/postgresql-common/pgdg/apt.postgresql.org.[ag]*) && "
    'echo "deb [signed-by=${{key[0]}}] https://apt-archive.postgresql.org/pub/repos/apt '
    '$VERSION_CODENAME-pgdg-archive main" >/etc/apt/sources.list.d/pgdg-archive.list && apt-get update'
)

ENDED = "13"
"""The newest PostgreSQL version that the project's repositories may lack since it has ended (postgresql.org, versioning
policy: 13 did in November 2025); its archive has it."""

DISTRIBUTIONS: dict[str, Distribution] = {
    "debian12": Distribution(
        "debian",
        python=(3, 11),
        systemd=252,
        locale="C.UTF-8",
        postgresql="15",
        pgpool="4.3.5",
        codename="bookworm",
        project_setup=APT_PROJECT,
        project_archive=APT_ARCHIVE,
    ),
    "ubuntu2204": Distribution(
        "debian",
        python=(3, 10),
        systemd=249,
        locale="C.UTF-8",
        postgresql="14",
        project_setup=APT_PROJECT,
        project_archive=APT_ARCHIVE,
    ),
    # Its own PostgreSQL lays its programs out unlike the project's, which is taken instead.
    "rocky9": Distribution(
        "el",
        python=(3, 9),
        systemd=252,
        locale="C.UTF-8",
        # The project's -devel packages need Perl modules of a repository that is off by default.
        project_setup="yum install -y dnf-plugins-core && yum config-manager --set-enabled crb && yum install -y "
        "https://download.postgresql.org/pub/repos/yum/reporpms/EL-9-x86_64/pgdg-redhat-repo-latest.noarch.rpm && "
        "yum -qy module disable postgresql",
        project_archive="printf '%s\\n' '[pgdg-archive]' name=pgdg-archive enabled=1 gpgcheck=1 "
        "baseurl=https://yum-archive.postgresql.org/{version}/redhat/rhel-9-x86_64 "
        "gpgkey=https://yum.postgresql.org/keys/PGDG-RPM-GPG-KEY-RHEL >/etc/yum.repos.d/pgdg-archive.repo",
        interpreter="/usr/bin/python3.11",
        interpreter_packages=("python3.11",),
    ),
    # glibc has C.UTF-8 since 2.35, and Fedora's line since version 8 of the enterprise one.
    "centos7": Distribution(
        "el",
        python=(3, 6),
        systemd=219,
        locale="en_US.UTF-8",
        project=("9.4", "15"),
        interpreter="/usr/local/python/bin/python3",
    ),
}

PYTHON_ARCHIVE = "python.tar.gz"
"""Name in a mirror of a relocatable Python, with python/bin/python3 in it; unpacked into /usr/local."""

PACKAGED = ("distribution", "project")
"""Sources of PostgreSQL that are packages: the distribution's, and those of the PostgreSQL project's repository."""

DATA_DIRECTORY = "/var/lib/pgpool-lab/postgresql/data"
"""PostgreSQL's data on every distribution, on the node's data volume."""

ARCHIVE_PREFIX = "/usr/local/postgresql"
"""Where PostgreSQL's programs from an archive are put."""

BUILT = tuple(name for name, distribution in DISTRIBUTIONS.items() if distribution.codename)
"""Distributions whose base image the lab builds itself."""


def project_setup(distribution: str, postgresql: str) -> str:
    """Command that makes the PostgreSQL project's packages of one version known; empty where none does."""
    chosen = DISTRIBUTIONS[distribution]
    commands = [chosen.project_setup]
    if parse(postgresql) <= parse(ENDED):
        commands.append(chosen.project_archive.format(version=postgresql))
    return " && ".join(filter(None, commands))


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


def runtime_packages(distribution: str, postgresql: str) -> list[str]:
    """The packages that a compiled pgpool is linked with."""
    return [named(package, postgresql) for package in family(distribution).runtime]


def build_packages(distribution: str, postgresql: str) -> list[str]:
    """The packages that pgpool's compilation needs."""
    chosen = family(distribution)
    return [*chosen.build_tools, *(named(package, postgresql) for package in chosen.devel)]
