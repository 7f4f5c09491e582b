"""What pgpool's commands have in common: they run as the service account, log, and take steps on other nodes.

Start-up time counts here, on emulated processors: the standard library's heavy parts are not imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

CONFIGURATION = "/etc/pgpool-lab/node.json"
LOG = "/var/log/pgpool-lab/failover.log"
AGENT = "/usr/local/sbin/lab-node local"
LOGIN_SECONDS = 2
"""A host that takes longer to answer is dead, where a failover waits for it."""

FENCE = "/usr/local/sbin/lab-fence"
"""The script that ends PostgreSQL on a node at once."""


def log(message: str) -> None:
    """One line with the time, on the node and on pgpool's own log."""
    moment = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment)) + f".{int(moment * 1000) % 1000:03d}"
    line = f"{stamp} [{os.getpid()}] {message}\n"
    with open(LOG, "a") as stream:  # noqa: PTH123 -- pathlib costs start-up time
        stream.write(line)
    sys.stderr.write(line)


def on_node(node: Mapping[str, Any], words: str, seconds: float, *, login_seconds: int = LOGIN_SECONDS) -> str:
    """Run a step of the agent on a node; what went wrong, empty when it was done."""
    return run_as_root(node, f"{AGENT} {words}", seconds, login_seconds=login_seconds)


def run_as_root(node: Mapping[str, Any], program: str, seconds: float, *, login_seconds: int = LOGIN_SECONDS) -> str:
    """Run a program on a node that the service account may run as root; what went wrong, empty when it was done."""
    words = command(node, program, login_seconds)
    nothing = subprocess.DEVNULL
    try:
        done = subprocess.run(words, stdin=nothing, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {seconds} s"
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def start_on_node(node: Mapping[str, Any], words: str) -> None:
    """Start a step of the agent on a node, which logs there what comes of it."""
    nobody = subprocess.DEVNULL
    program = command(node, f"{AGENT} {words}")
    subprocess.Popen(program, stdin=nobody, stdout=nobody, stderr=nobody, start_new_session=True)


def through(config: Mapping[str, Any]) -> str:
    """Words for the agent: which pgpool has to attach a backend; none where the leader's tells the others for sure.

    Where every pgpool fails over by itself, each that does so loses the requests of the others meanwhile: they share
    one place with its own, which it clears in the end (3.2.9, main.c, send_failback_request and failover).
    """
    alone = config["pgpool"]["failover_command_runs_on"] == "every"
    return f" --through {config['name']}" if alone else ""


def command(node: Mapping[str, Any], program: str, login_seconds: int = LOGIN_SECONDS) -> list[str]:
    """The command line that runs a program on a node as root: over ssh, unless it is this one.

    A node that dies meanwhile is noticed.
    """
    if node["name"] == os.uname().nodename:
        return ["sudo", "-n", *program.split()]
    options = ["BatchMode=yes", f"ConnectTimeout={login_seconds}", "ServerAliveInterval=15"]
    ssh = ["ssh", "-n", *[word for option in options for word in ("-o", option)], f"postgres@{node['name']}"]
    return [*ssh, f"sudo -n {program}"]
