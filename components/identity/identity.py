"""Secrets from local commands that run once: an update hands on what was generated before."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_command import local

from components.module import run_module

KEEP = 'printf %s "$PULUMI_COMMAND_STDOUT"'
"""pulumi-command sets this variable to the previous output when it updates a command."""


@dataclass(frozen=True)
class IdentityArgs:
    nodes: Sequence[str]
    """Names of the nodes, each of which gets an ssh host key."""
    addresses: Mapping[str, str]
    """Each node's address, for the operator's known_hosts."""
    operator_key: Path
    known_hosts: Path


class Identity(pulumi.ComponentResource):
    """Passwords, ssh host keys, and the operator's private key and known_hosts as files.

    Adding a node generates its host key and leaves everything else as it is.
    """

    passwords: pulumi.Output[dict[str, str]]
    host_keys: dict[str, pulumi.Output[dict[str, str]]]
    operator: pulumi.Output[dict[str, str]]

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgpool-lab:index:Identity", name, None, opts)
        self.passwords = self._generate(f"{name}-passwords", "passwords")
        self.host_keys = {node: self._generate(f"{name}-host-key-{node}", f"ssh-key {node}") for node in args.nodes}
        self.operator = self._generate(f"{name}-operator", "ssh-key operator@pgpool-lab")
        self._keep_file(f"{name}-operator-file", args.operator_key, self.operator.apply(lambda key: key["private"]))
        self._keep_file(
            f"{name}-known-hosts",
            args.known_hosts,
            pulumi.Output.all(**self.host_keys).apply(
                lambda keys: "".join(f"{node},{args.addresses[node]} {keys[node]['public']}\n" for node in args.nodes)
            ),
        )
        self.register_outputs({})

    def _generate(self, name: str, verb: str) -> pulumi.Output[dict[str, str]]:
        command = local.Command(
            name,
            create=run_module(f"pgpool_lab.identity {verb}"),
            update=KEEP,
            logging=local.Logging.NONE,
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["stdout"]),
        )
        # `additional_secret_outputs` makes it secret, and so everything that is derived from it.
        return command.stdout.apply(lambda text: dict(json.loads(text)))

    def _keep_file(self, name: str, path: Path, content: pulumi.Output[str]) -> None:
        """A file that only its owner may read, for as long as the lab exists."""
        local.Command(
            name,
            create=f"umask 077 && mkdir -p {shlex.quote(str(path.parent))} && cat > {shlex.quote(str(path))}",
            delete=f"rm -f {shlex.quote(str(path))}",
            stdin=content,
            add_previous_output_in_env=False,
            logging=local.Logging.NONE,
            opts=pulumi.ResourceOptions(parent=self),
        )
