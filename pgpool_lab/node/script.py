"""What pgpool's commands have in common: they run as the service account, log, and take steps on other nodes.

Start-up time counts here, on emulated processors: the standard library's heavy parts are not imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

CONFIGURATION = "/etc/pgpool-lab/node.json"
LOG = "/var/log/pgpool-lab/failover.log"
AGENT = "/usr/local/sbin/lab-node local"
LOGIN_SECONDS = 2
"""A host that takes longer to answer is dead, where a failover waits for it."""

KEPT_CONNECTION = "ControlPath=~/.ssh/%r@%h"
"""The option that has ssh use the service account's connection to a node which is there already, if it is
(components/ssh_mesh). What may take minutes does not: it would end with the connection."""

FENCE = "/usr/local/sbin/lab-fence"
"""The script that ends PostgreSQL on a node at once."""


def log(message: str) -> None:
    """One line with the time, on the node and on pgpool's own log."""
    moment = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment)) + f".{int(moment * 1000) % 1000:03d}"
    line = f"{stamp} [{os.getpid()}] {message}\n"
    # The disk may be full, and whoever called may have gone; the step goes on.
    with suppress(OSError), open(LOG, "a") as stream:  # noqa: PTH123 -- pathlib costs start-up time
        stream.write(line)
    with suppress(OSError):
        sys.stderr.write(line)


def on_node(node: Mapping[str, Any], words: str, seconds: float, *, login_seconds: int = LOGIN_SECONDS) -> str:
    """Run a step of the agent on a node; what went wrong, empty when it was done.

    On this node over ssh as well: a step outlives the pgpool that asked for it.
    """
    return ran(over_ssh(node, f"{AGENT} {words}", login_seconds), seconds)


def end_postgresql(node: Mapping[str, Any], seconds: float, *, here: bool) -> str:
    """Run the fence on a node, or on this one; what went wrong, empty when it was done. Clients wait for it."""
    return ran(["sudo", "-n", FENCE] if here else over_ssh(node, FENCE, options=(KEPT_CONNECTION,)), seconds)


def ran(words: Sequence[str], seconds: float) -> str:
    """Run a command; what went wrong, empty when it was done.

    What takes longer is not waited for. It is ended, unless it is root's.
    """
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, text=True)
    try:
        _, complaint = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        with suppress(PermissionError):
            process.kill()
        return f"no answer within {seconds} s"
    return "" if process.returncode == 0 else complaint.strip() or f"exit code {process.returncode}"


def start_on_node(node: Mapping[str, Any], words: str) -> None:
    """Start a step of the agent on a node, which logs there what comes of it."""
    start(over_ssh(node, f"{AGENT} {words}"))


def start_program(node: Mapping[str, Any], program: str) -> None:
    """Start a program on a node that ends at once; nobody hears what comes of it."""
    start(over_ssh(node, program, options=(KEPT_CONNECTION,)))


def start(words: Sequence[str]) -> None:
    """Start a command that outlives who starts it."""
    nobody = subprocess.DEVNULL
    subprocess.Popen(words, stdin=nobody, stdout=nobody, stderr=nobody, start_new_session=True)


def through(config: Mapping[str, Any]) -> str:
    """Words for the agent: which pgpool has to attach a backend; none where the leader's tells the others for sure.

    Where every pgpool fails over by itself, each that does so loses the requests of the others meanwhile: they share
    one place with its own, which it clears in the end (3.2.9, main.c, send_failback_request and failover).
    """
    alone = config["pgpool"]["failover_command_runs_on"] == "every"
    return f" --through {config['name']}" if alone else ""


def over_ssh(
    node: Mapping[str, Any], program: str, login_seconds: int = LOGIN_SECONDS, *, options: Sequence[str] = ()
) -> list[str]:
    """The command line that runs a program as root on a node; a node that dies meanwhile is noticed."""
    options = ["BatchMode=yes", f"ConnectTimeout={login_seconds}", "ServerAliveInterval=15", *options]
    ssh = ["ssh", "-n", *[word for option in options for word in ("-o", option)], f"postgres@{node['name']}"]
    return [*ssh, f"sudo -n {program}"]
