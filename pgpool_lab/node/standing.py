"""Where every node stands, asked by SQL at the same time while the clients are out.

Start-up time counts here, on emulated processors: the standard library's heavy parts are not imported.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import dialect

PROBE_SECONDS = 1.2
"""A host whose kernel does not take a connection within this has no answer either. A lost SYN is repeated after 1 s."""
ANSWER_SECONDS = 15
"""How long a node whose kernel takes connections may take to say where it stands: where processors are starved,
starting psql alone took more than 3 s. One that is not heard is not promoted, however much WAL it has; and where every
pgpool runs a script of its own (3.2), two that had heard different nodes promoted two of them."""
PASSWORDS = "/var/lib/postgresql/.pgpass"


class Answer(NamedTuple):
    """What one node said: its role, its timeline, and where its WAL ends (bytes since 0/0; received by a standby)."""

    name: str
    in_recovery: bool
    timeline: int
    received: int
    preferred: bool = False
    """A switchover wants this one (`advisory.PREFERENCE`)."""


class Failed(Exception):
    """A statement was not carried out: what psql said, or that it did not end."""


class Question:
    """The nodes' answers, asked for from the moment when this is made."""

    def __init__(self, config: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> None:
        self._answers: list[Answer] = []
        self._silent: list[str] = []
        self._threads = [threading.Thread(target=self._ask, args=(config, node)) for node in nodes]
        for thread in self._threads:
            thread.start()

    def answers(self) -> list[Answer]:
        """Wait for the answers, ANSWER_SECONDS at most; whoever gave none is not among them."""
        for thread in self._threads:
            thread.join()
        return self._answers

    @property
    def silent(self) -> list[str]:
        """Why there is no answer, a sentence a node."""
        return self._silent

    def _ask(self, config: Mapping[str, Any], node: Mapping[str, Any]) -> None:
        try:
            socket.create_connection((node["ip"], config["postgresql"]["port"]), timeout=PROBE_SECONDS).close()
            text = psql(config, node["ip"], dialect.standing(dialect.of(config)), ANSWER_SECONDS)
        except (OSError, Failed) as failure:
            self._silent.append(f"{node['name']}: {failure}")
        else:
            self._answers.append(parse(node["name"], text))


def parse(name: str, text: str) -> Answer:
    """The row that `dialect.standing` gives."""
    recovery, timeline, received, preferred = text.split("|")
    return Answer(name, recovery == "t", int(timeline), int(received), preferred == "t")


def psql(config: Mapping[str, Any], host: str, sql: str, seconds: float) -> str:
    """One statement on a node as superuser. Raises Failed, also when it takes longer than `seconds`."""
    postgres = config["postgresql"]
    command = [f"{postgres['client_bin']}/psql", "-XAtw", "-h", host, "-p", str(postgres["port"])]
    command += ["-U", config["users"]["superuser"], "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", sql]
    environment = {**os.environ, "PGPASSFILE": PASSWORDS, "PGAPPNAME": "failover"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"no answer within {seconds} s") from None
    if done.returncode != 0:
        raise Failed(done.stderr.strip())
    return done.stdout.strip()
