"""Keys are made on the nodes; public keys travel as outputs into every node's authorized_keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi_command import remote

from components.node import Node, NodeFile, write_files
from components.ssh_mesh import layout
from pgpool_lab.rendering import render

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"

ACCOUNTS: dict[str, tuple[str, ...]] = {"full": ("root", "postgres"), "service": ("postgres",)}
"""Who takes part in the mesh: the runbook's both accounts, or the service account alone."""

HOMES = {"root": "/root", "postgres": "/var/lib/postgresql"}


@dataclass(frozen=True)
class SshMeshArgs:
    nodes: Sequence[Node]
    mesh: str
    """`full` or `service`."""
    operator_key: pulumi.Output[dict[str, str]]
    host_keys: dict[str, pulumi.Output[dict[str, str]]]
    unnamed: Sequence[Node] = ()
    """Those among `nodes` whose names the others' /etc/hosts lack."""


class SshMesh(pulumi.ComponentResource):
    """Every account of the mesh may enter every account of the mesh on every node.

    A rebuilt node makes new keys: the other nodes' files are then updated in place.
    """

    trusted: list[remote.Command]
    """One command a node: done when that node trusts the others."""

    def __init__(self, name: str, args: SshMeshArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgpool-lab:index:SshMesh", name, None, opts)
        accounts = ACCOUNTS[args.mesh]
        keys = [self._keys(f"{name}-keys-{node.name}", node) for node in args.nodes]
        public = pulumi.Output.all(*[command.stdout for command in keys]).apply(
            lambda texts: [dict(json.loads(text)) for text in texts]
        )
        known_hosts = pulumi.Output.all(**args.host_keys).apply(
            lambda hosts: "".join(f"{node.name},{node.ip} {hosts[node.name]['public']}\n" for node in args.nodes)
        )
        files = [
            NodeFile("/etc/ssh/ssh_known_hosts", known_hosts),
            NodeFile("/etc/ssh/ssh_config.d/pgpool-lab.conf", client_configuration(args.unnamed)),
            NodeFile(f"/etc/systemd/system/{layout.SHARED_LOGIN}", (HERE / layout.SHARED_LOGIN).read_text()),
        ]
        files += [
            NodeFile(
                f"{HOMES[account]}/.ssh/authorized_keys",
                authorized_keys(account, accounts, public, args.operator_key),
                mode="0600",
                owner=f"{account}:{account}",
            )
            for account in HOMES
        ]
        self.trusted = [
            write_files(
                f"{name}-trust-{node.name}",
                node=node,
                files=files,
                # Its own keys must be there first: the files lie in the same folder.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[command], deleted_with=node.domain),
            )
            for node, command in zip(args.nodes, keys, strict=True)
        ]
        self._accounts = accounts
        self._nodes = args.nodes
        self._public = public
        self.register_outputs({})

    def check(self, name: str, after: Sequence[pulumi.Resource]) -> None:
        """Try every pair of accounts and nodes, once `after` is done; again when a key has changed."""
        accounts = " ".join(self._accounts)
        nodes = " ".join(node.name for node in self._nodes)
        given = f"accounts='{accounts}'\nnodes='{nodes}'\n"
        for node in self._nodes:
            remote.Command(
                f"{name}-{node.name}",
                connection=node.connection,
                create=given + (HERE / "check-mesh.sh").read_text(),
                stdin=self._public.apply(json.dumps),
                add_previous_output_in_env=False,
                triggers=[node.domain_id],
                opts=pulumi.ResourceOptions(parent=self, depends_on=[*self.trusted, *after], deleted_with=node.domain),
            )

    def _keys(self, name: str, node: Node) -> remote.Command:
        return remote.Command(
            name,
            connection=node.connection,
            create=(HERE / "make-keys.sh").read_text(),
            add_previous_output_in_env=False,
            triggers=[node.domain_id],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[node.ready], deleted_with=node.domain),
        )


def client_configuration(unnamed: Sequence[Node]) -> str:
    """How the accounts of a node enter the other nodes."""
    return render(TEMPLATES / "ssh_config.j2", unnamed=unnamed)


def authorized_keys(
    account: str,
    accounts: Sequence[str],
    public: pulumi.Output[list[dict[str, Any]]],
    operator: pulumi.Output[dict[str, str]],
) -> pulumi.Output[str]:
    """Who may enter `account`: the mesh where it takes part, and the operator as root."""

    def lines(values: list[Any]) -> str:
        nodes, operator_key = values
        entries = [operator_key["public"]] if account == "root" else []
        if account in accounts:
            entries += [node[member] for node in nodes for member in accounts]
        return "".join(f"{entry}\n" for entry in entries)

    return pulumi.Output.all(public, operator).apply(lines)
