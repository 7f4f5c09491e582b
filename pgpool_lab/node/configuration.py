"""What this node knows of the lab, and running programs on it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Config = Mapping[str, Any]

CONFIGURATION = Path("/etc/pgpool-lab/node.json")
SECRETS = Path("/etc/pgpool-lab/secrets.json")
AGENT = "/usr/local/sbin/lab-node"
"""This program, on every node."""
PASSWORDS = "/var/lib/postgresql/.pgpass"
LOG = Path("/var/log/pgpool-lab/join.log")
OWN_HOST = "127.0.0.1"
"""How a node reaches its own PostgreSQL."""


class StepFailed(Exception):
    """A program on the node failed: what was attempted, and what it said."""


class Refused(Exception):
    """The rules forbid what was asked: why, and what the operator can do."""


class GaveWay(StepFailed):
    """A step that only waited has ended, since the node is to be promoted: nothing is tried in its place."""


def load() -> dict[str, Any]:
    """This node's configuration."""
    content: dict[str, Any] = json.loads(CONFIGURATION.read_text())
    return content


def log(message: str) -> None:
    """One line with the time: to the node's log, and to whoever called."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} {message}\n"
    # The disk may be full, and whoever called may have gone; the step goes on.
    with contextlib.suppress(OSError), LOG.open("a") as stream:
        stream.write(line)
    with contextlib.suppress(OSError):
        sys.stderr.write(line)


def run(command: Sequence[str], *, seconds: float = 600, stdin: str | None = None, **environment: str) -> str:
    """Run a program; its standard output. Raises StepFailed with what it said on standard error."""
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=seconds,
            # The service account may not enter root's home.
            cwd="/",
            env={**os.environ, **environment},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StepFailed(f"{command[0]} did not end within {seconds:.0f} s") from None
    if done.returncode != 0:
        raise StepFailed(f"{' '.join(command[:4])} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


def as_service(command: Sequence[str]) -> list[str]:
    """The command as the service account; its home directory holds the passwords.

    setpriv becomes the command, where runuser would stay its parent: a time-out ends the command itself.
    """
    switch = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    return [*switch, "env", "HOME=/var/lib/postgresql", *command]


def psql(config: Config, host: str, sql: str, *, seconds: float = 10) -> str:
    """One statement as superuser. Raises StepFailed when it fails or takes longer than `seconds`."""
    postgres = config["postgresql"]
    port = own_port(config) if host == OWN_HOST else postgres["port"]
    command = [f"{postgres['client_bin']}/psql", "-XAtqw", "-h", host, "-p", str(port)]
    command += ["-U", config["users"]["superuser"], "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", sql]
    return run(command, seconds=seconds, PGPASSFILE=PASSWORDS, PGCONNECT_TIMEOUT="5").strip()


def own_port(config: Config) -> int:
    """The port of this node's server: a running one keeps the port it was started with until its next start.

    Line 4 of postmaster.pid (src/include/utils/pidfile.h); the configured port where there is no such file.
    """
    try:
        return int(Path(config["postgresql"]["data_directory"], "postmaster.pid").read_text().splitlines()[3])
    except (OSError, IndexError, ValueError):
        return int(config["postgresql"]["port"])


def node(config: Config, name: str) -> Config:
    """A node's entry in the configuration."""
    entries: Sequence[Config] = config["nodes"]
    return next(entry for entry in entries if entry["name"] == name)


def witnesses(config: Config) -> list[Config]:
    """The entry of the watchdog member without PostgreSQL, where there is one."""
    return [config["witness"]] if "witness" in config else []


def is_witness(config: Config) -> bool:
    """Whether this machine is the one without PostgreSQL."""
    return any(entry["name"] == config["name"] for entry in witnesses(config))


def service_active(name: str) -> bool:
    """Whether systemd has processes of a service: one that starts or stops (recovery takes a while) runs, too."""
    shown = subprocess.run(["systemctl", "is-active", name], capture_output=True, text=True, check=False).stdout
    return shown.strip() in ("active", "activating", "reloading", "deactivating")
