"""pgpool's failover_command: decides whether to promote and whom, and does it. Runs as the service account.

Start-up time counts here, on emulated processors: the standard library's heavy parts are not imported.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import dialect

CONFIGURATION = "/etc/pgpool-lab/node.json"
LOG = "/var/log/pgpool-lab/failover.log"

ANSWER_SECONDS = 3
"""How long a standby may take to say where it stands."""
FENCE_SECONDS = 3
"""How long the attempt to stop the old primary may take: it delays the promotion."""
PROMOTION_SECONDS = 30
"""How long a promotion may take; it normally takes one."""
LOCK = 7010223
"""Key of the advisory lock on the promoted node: several pgpools may run this at the same time (until 3.3 all do)."""


class Answer(NamedTuple):
    """What one node said: its role, timeline, and how much WAL it has received (bytes since 0/0)."""

    name: str
    in_recovery: bool
    timeline: int
    received: int


class Decision(NamedTuple):
    """Whom to promote, or why nobody."""

    promote: str | None
    reason: str


def decide(failed_id: int, old_primary_id: int, answers: Sequence[Answer]) -> Decision:
    """The failover script's rules 1 and 4. `answers` holds the nodes that answered, the failed one left out."""
    if old_primary_id < 0:
        return Decision(None, "pgpool knows no primary: nothing is promoted")
    if failed_id != old_primary_id:
        return Decision(None, "a standby failed: the primary stays")
    serving = [answer.name for answer in answers if not answer.in_recovery]
    if serving:
        return Decision(None, f"{serving[0]} is primary already")
    standbys = [answer for answer in answers if answer.in_recovery]
    if not standbys:
        return Decision(None, "no standby can be reached")
    best = max(standbys, key=lambda answer: (answer.timeline, answer.received))
    return Decision(best.name, f"most advanced standby: timeline {best.timeline}, {best.received} bytes received")


def log(message: str) -> None:
    """One line with the time, on the node and on pgpool's own log."""
    moment = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment)) + f".{int(moment * 1000) % 1000:03d}"
    line = f"{stamp} [{os.getpid()}] {message}\n"
    with open(LOG, "a") as stream:  # noqa: PTH123 -- pathlib costs start-up time
        stream.write(line)
    sys.stderr.write(line)


def psql(config: Mapping[str, Any], host: str, sql: str, seconds: float) -> str | None:
    """One statement on a node as superuser; None when it fails or takes longer than `seconds`."""
    postgres = config["postgresql"]
    command = [f"{postgres['client_bin']}/psql", "-XAtw", "-h", host, "-p", str(postgres["port"])]
    command += ["-U", config["users"]["superuser"], "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", sql]
    environment = {**os.environ, "PGCONNECT_TIMEOUT": "2", "PGAPPNAME": "failover"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode != 0:
        log(f"{host}: {done.stderr.strip()}")
        return None
    return done.stdout.strip()


def ask(config: Mapping[str, Any], node: Mapping[str, Any], answers: list[Answer]) -> None:
    """Append a node's answer, if it gives one."""
    text = psql(config, node["ip"], dialect.standing(dialect.of(config)), ANSWER_SECONDS)
    if text:
        recovery, timeline, received = text.split("|")
        answers.append(Answer(node["name"], recovery == "t", int(timeline), int(received)))


def drop_connections(ip: str, port: int) -> None:
    """Drop this host's own connections to the failed PostgreSQL; others, such as an operator's ssh, stay.

    A pgpool worker that reads from a dead host waits for ever, holding a lock that the failover needs (seen with
    4.3.5: no client gets in any more).
    """
    words = ["sudo", "-n", "/usr/bin/ss", "-K", "dst", ip, "dport", "=", str(port)]
    subprocess.run(words, capture_output=True, check=False)


def fence(config: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """Try to stop PostgreSQL on the old primary; says what came of it.

    Nothing starts PostgreSQL by itself, so a stopped one stays stopped.
    """
    port = config["postgresql"]["port"]
    try:
        socket.create_connection((node["ip"], port), timeout=1).close()
    except ConnectionRefusedError:
        return "nothing listens there"
    except OSError:
        pass  # It may hang, or only its network may be slow: the attempt below is bounded.
    return on_node(node, "stop --immediate", FENCE_SECONDS) or "stopped"


def on_node(node: Mapping[str, Any], words: str, seconds: float) -> str:
    """Run a step of the agent on a node; what went wrong, empty when it was done."""
    ssh = ["ssh", "-n", "-o", "BatchMode=yes", "-o", "ConnectTimeout=2", f"postgres@{node['name']}"]
    ssh.append(f"sudo -n /usr/local/sbin/lab-node local {words}")
    try:
        done = subprocess.run(ssh, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {seconds} s"
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def promote(config: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Promote a standby and wait until it takes writes. The lock on the target keeps a second run out.

    Without a function for it (before PostgreSQL 12) it is the agent's step there, which takes a lock as well.
    """
    if not dialect.of(config)["promotes_by_sql"]:
        failure = on_node(node, "promote", PROMOTION_SECONDS + 5)
        if failure:
            log(f"{node['name']}: {failure}")
        return not failure
    sql = f"SELECT CASE WHEN pg_try_advisory_lock({LOCK}) THEN pg_promote(true, {PROMOTION_SECONDS}) END"
    return psql(config, node["ip"], sql, PROMOTION_SECONDS + 5) == "t"


def main(arguments: Sequence[str]) -> int:
    """Arguments: failed id, failed host, old primary id, new main id, new main host, old primary host.

    Exit code 0: done, or nothing to do; 1: a primary is missing and could not be made.
    """
    with open(CONFIGURATION) as stream:  # noqa: PTH123 -- pathlib costs start-up time
        config = json.load(stream)
    log(f"called: {' '.join(arguments)}")
    failed_id, old_primary_id = int(arguments[0]), int(arguments[2])
    failed = config["nodes"][failed_id]
    drop_connections(failed["ip"], config["postgresql"]["port"])
    if failed_id != old_primary_id:
        log(decide(failed_id, old_primary_id, []).reason)
        return 0
    others = [node for node in config["nodes"] if node is not failed]
    answers: list[Answer] = []
    asked = [threading.Thread(target=ask, args=(config, node, answers)) for node in others]
    for thread in asked:
        thread.start()
    log(f"fencing {failed['name']}: {fence(config, failed)}")
    for thread in asked:
        thread.join()
    decision = decide(failed_id, old_primary_id, answers)
    if decision.promote is None:
        log(decision.reason)
        return 0 if any(not answer.in_recovery for answer in answers) else 1
    log(f"promoting {decision.promote}: {decision.reason}")
    target = next(node for node in others if node["name"] == decision.promote)
    done = promote(config, target)
    log(f"{decision.promote} {'is primary' if done else 'was not promoted'}")
    return 0 if done else 1
