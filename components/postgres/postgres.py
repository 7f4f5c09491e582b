"""Writes PostgreSQL's files to one node. Nothing is started here: that is the join's part (components/cluster)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pulumi
from pulumi_command import remote

from components.authentication import METHODS
from components.node import Node, NodeFile, write_files
from components.postgres import layout
from pgpool_lab.node import locks
from pgpool_lab.node.failover import UNDER_WAY
from pgpool_lab.node.script import FENCE
from pgpool_lab.rendering import render
from pgpool_lab.versions.distributions import PACKAGED, server_binaries
from pgpool_lab.versions.postgresql import traits
from pgpool_lab.versions.postgresql_parameters import knows

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class PostgresArgs:
    node: Node
    addresses: Sequence[str]
    """Names and addresses under which the nodes and the virtual IP are reached."""
    distribution: str
    version: str
    source: str
    port: int
    cidr: str
    auth: str
    passwords: pulumi.Output[dict[str, str]]


class Postgres(pulumi.ComponentResource):
    """PostgreSQL's configuration on one node, role-neutral: which node is primary is found, not configured."""

    command: remote.Command
    digest: str
    """Changes with what a running server has to read again."""

    def __init__(self, name: str, args: PostgresArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgpool-lab:index:Postgres", name, None, opts)
        self.command = write_files(
            f"{name}-files",
            node=args.node,
            files=postgres_files(args),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.node.ready], deleted_with=args.node.domain),
        )
        self.digest = hashlib.sha256((parameters(args) + access(args)).encode()).hexdigest()
        self.register_outputs({})


@dataclass(frozen=True)
class PostgresClientArgs:
    node: Node
    addresses: Sequence[str]
    """Names and addresses under which the nodes and the virtual IP are reached."""
    passwords: pulumi.Output[dict[str, str]]


class PostgresClient(pulumi.ComponentResource):
    """What a machine without a server needs to ask the nodes' servers."""

    command: remote.Command

    def __init__(self, name: str, args: PostgresClientArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgpool-lab:index:PostgresClient", name, None, opts)
        self.command = write_files(
            f"{name}-files",
            node=args.node,
            files=[password_file(args.addresses, args.passwords)],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.node.ready], deleted_with=args.node.domain),
        )
        self.register_outputs({})


def parameters(args: PostgresArgs) -> str:
    """postgresql.conf."""
    return render(
        TEMPLATES / "postgresql.conf.j2",
        data_directory=layout.DATA_DIRECTORY,
        replication_conf=layout.REPLICATION_CONF,
        hba_file=layout.HBA_FILE,
        port=args.port,
        password_encryption=encryption(args),
        wal_level=traits(args.version).wal_level,
        knows=partial(knows, args.version),
    )


def encryption(args: PostgresArgs) -> str:
    """`password_encryption` in the words of the version."""
    server = traits(args.version)
    return "scram-sha-256" if layout.password_method(args.auth, server) != "md5" else server.md5_encryption


def access(args: PostgresArgs) -> str:
    """pg_hba.conf."""
    return render(TEMPLATES / "pg_hba.conf.j2", users=layout.USERS, cidr=args.cidr, method=METHODS[args.auth])


def postgres_files(args: PostgresArgs) -> list[NodeFile]:
    """Every file that PostgreSQL needs on a node."""
    return [
        NodeFile(layout.CONFIG_FILE, parameters(args)),
        NodeFile(layout.HBA_FILE, access(args)),
        password_file(args.addresses, args.passwords),
        NodeFile(
            FENCE,
            render(
                TEMPLATES / "lab-fence.j2",
                lock=locks.STOP,
                under_way=UNDER_WAY,
                data_directory=layout.DATA_DIRECTORY,
                standby_file=f"{layout.DATA_DIRECTORY}/{traits(args.version).standby_file}",
                service=layout.SERVICE,
            ),
            mode="0755",
        ),
        NodeFile(
            f"/etc/systemd/system/{layout.SERVICE}",
            render(
                TEMPLATES / "lab-postgresql.service.j2",
                binaries=server_binaries(args.distribution, args.version, args.source),
                # What an archive's binaries were configured with is not known.
                notifies=traits(args.version).notifies and args.source in PACKAGED,
                data_directory=layout.DATA_DIRECTORY,
                config_file=layout.CONFIG_FILE,
            ),
        ),
    ]


def password_file(addresses: Sequence[str], passwords: pulumi.Output[dict[str, str]]) -> NodeFile:
    """libpq's password file for the service account (PostgreSQL manual, "The Password File").

    For every port: pgpool takes the same passwords, and a server that has not taken another port yet is still asked.
    """
    content = passwords.apply(
        lambda known: "".join(
            f"{address}:*:*:{user}:{known[part]}\n"
            for address in (*addresses, "localhost", "127.0.0.1")
            for part, user in layout.USERS.items()
        )
    )
    return NodeFile(layout.PASSWORD_FILE, content, mode="0600", owner="postgres:postgres")
