"""`lab-node watch`: what this node is, one line of JSON for every line on standard input, until nobody asks any more.

The listener asks for every sample, and so knows between which moments of its own clock it was true. What pgpool
believes is the exception: it may be VIEW_OLD_SECONDS old.

Made to be cheap on an emulated processor: no process is started for a sample. The virtual IP is a bind that succeeds or
fails, the services are files of their cgroups, PostgreSQL and pgpool answer in sessions that stay open.

pgpool is not asked through PCP here, but for 3.2 (`view`): at the end of a failover its main process waits for every
PCP worker to end (4.3.5, src/main/pgpool_main.c, failover(): SIGUSR1 and waitpid of the PCP child, which waits for its
workers), so an open PCP connection would hold the failover up for as long as it stays open.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import dialect, receiver
from .address import has_address
from .configuration import AGENT, PASSWORDS, Config, as_service, load
from .noticed import Noticed
from .pgpool import client, parse_backends
from .role import standby_file
from .sessions import Session

SERVICES = Path("/sys/fs/cgroup/system.slice")
"""systemd's cgroups of services (cgroups(7), version 2); one that runs nothing is removed."""
OLD_SERVICES = Path("/sys/fs/cgroup/systemd/system.slice")
"""The same in version 1, where systemd freezes nothing."""

LISTENER_SECONDS = 10.0
"""A listener asks several times a second. When it does not, its connection is gone."""

ANSWER_SECONDS = 1.0
"""How long PostgreSQL may take: longer, and the sample says that it did not answer."""

VIEW_SECONDS = 1.0
"""How often pgpool is asked what it believes."""
VIEW_OLD_SECONDS = 3.0
"""After so long without an answer pgpool has no view: a failover holds clients back for a while."""

VIEW_HUNG_SECONDS = 10.0
"""A session that has not answered for so long never will (docs/procedure.md has a case), as a client with a timeout
would find: another one is opened. A failover holds them back for less."""

POSTGRES_RESTART_SECONDS = 1.0
"""A psql takes a tenth of a second of an emulated processor to start: not more often than this."""
PGPOOL_RESTART_SECONDS = 3.0
"""A login through pgpool takes about a second of one, and backends of PostgreSQL as well. While a failover is under way
every attempt ends the same way: made once a second, they held it up by seconds."""

VIEW = "SHOW {};\n"
"""Status and role of every backend, from pgpool's shared memory where the version can (versions/pgpool.py)."""


def main(arguments: Sequence[str]) -> int:
    """It takes no arguments: the pace is the listener's."""
    if arguments:
        print("usage: lab-node watch", file=sys.stderr)
        return 2
    watch(load())
    return 0


def watch(config: Config) -> None:
    """Answer until nobody listens any more."""
    postgres, pgpool = postgres_session(config), pgpool_session(config)
    try:
        serve(config, postgres, pgpool)
    except BrokenPipeError:
        # Python flushes what is left when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        postgres.close()
        pgpool.close()


def postgres_session(config: Config) -> Session:
    """A session with this node's PostgreSQL by its socket: without a password nobody has to compute a hash."""
    settings = config["postgresql"]
    command = [f"{settings['client_bin']}/psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", "-p", str(settings["port"])]
    command += ["-U", config["users"]["superuser"], "-d", "postgres"]
    return Session(
        as_service(command),
        # Planned once.
        greeting=f"PREPARE state AS {dialect.sampled(dialect.of(config))};\n",
        question="EXECUTE state;\n",
        lines=1,
        restart_seconds=POSTGRES_RESTART_SECONDS,
        PGCONNECT_TIMEOUT="5",
        PGAPPNAME="watch",
    )


def pgpool_session(config: Config) -> Session:
    """A session with this node's pgpool. It ends with a failover, as every client's may, and is opened again.

    Where sessions endanger the failover, one with `lab-node view` takes its place.
    """
    lines = 1 + len(config["nodes"])
    if config["pgpool"]["watched_by"] == "pcp":
        return Session([AGENT, "view"], question="\n", lines=lines, restart_seconds=PGPOOL_RESTART_SECONDS)
    return Session(
        [*client(config, "127.0.0.1"), "-v", "ON_ERROR_STOP=1"],
        question=VIEW.format(config["pgpool"]["backends_shown_by"]),
        lines=lines,
        restart_seconds=PGPOOL_RESTART_SECONDS,
        PGPASSFILE=PASSWORDS,
        PGCONNECT_TIMEOUT="5",
        PGAPPNAME="watch",
    )


def serve(config: Config, postgres: Session, pgpool: Session) -> None:
    """Answer every line of the listener with a line."""
    view, noticed = View(), Noticed()
    while await_question(postgres, pgpool, view):
        now = uptime()
        line = local_state(config, now)
        state = None
        if not line["postgres"]["running"]:
            postgres.close()
        elif postgres.asked_at is None:
            # The answer to an earlier question may be older than this one: it is not waited for.
            postgres.ask(now)
            state = await_state(config, postgres, pgpool, view)
        if line["pgpool"]["running"]:
            view.refresh(pgpool, now)
        else:
            pgpool.close()
            view.forget()
        write(line, state, view.known(now), noticed.count())


class View:
    """What pgpool believed when it answered last."""

    def __init__(self) -> None:
        self._backends: list[dict[str, str]] | None = None
        self._answered = self._asked = -VIEW_OLD_SECONDS

    def refresh(self, pgpool: Session, now: float) -> None:
        """Ask again after VIEW_SECONDS; in another session when this one hangs."""
        if pgpool.asked_at is not None and now - pgpool.asked_at >= VIEW_HUNG_SECONDS:
            pgpool.close()
        if now - self._asked >= VIEW_SECONDS:
            pgpool.ask(now)
            self._asked = now

    def take(self, pgpool: Session) -> None:
        """Take what the session has to say."""
        answer = pgpool.read()
        if answer is not None:
            self._backends, self._answered = parse_backends(answer), uptime()

    def forget(self) -> None:
        self._backends = None

    def known(self, now: float) -> list[dict[str, str]] | None:
        """None when it did not answer within VIEW_OLD_SECONDS."""
        return self._backends if now - self._answered < VIEW_OLD_SECONDS else None


def await_question(postgres: Session, pgpool: Session, view: View) -> bool:
    """Wait for the listener's next line; False when it has gone."""
    deadline = uptime() + LISTENER_SECONDS
    while (left := deadline - uptime()) > 0:
        ready = readable(left, sys.stdin.fileno(), postgres, pgpool)
        if postgres.fileno() in ready:
            postgres.read()  # Too late for the sample that it was meant for.
        if pgpool.fileno() in ready:
            view.take(pgpool)
        if sys.stdin.fileno() in ready:
            return bool(os.read(sys.stdin.fileno(), 4096))
    return False


def await_state(config: Config, postgres: Session, pgpool: Session, view: View) -> dict[str, Any] | None:
    """PostgreSQL's answer; None when it gives none within ANSWER_SECONDS."""
    deadline = uptime() + ANSWER_SECONDS
    while postgres.asked_at is not None and (left := deadline - uptime()) > 0:
        ready = readable(left, None, postgres, pgpool)
        if pgpool.fileno() in ready:
            view.take(pgpool)
        if postgres.fileno() in ready and (answer := postgres.read()) is not None:
            return parse_state(config, answer)
    return None


def readable(seconds: float, listener: int | None, *sessions: Session) -> set[int | None]:
    """The file descriptors that have something to read, waited for no longer than `seconds`."""
    numbers = [number for number in (listener, *(session.fileno() for session in sessions)) if number is not None]
    return set(select.select(numbers, [], [], seconds)[0])


def uptime() -> float:
    """Seconds since this machine started; unlike the time of day nobody sets it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def local_state(config: Config, now: float) -> dict[str, Any]:
    """What can be told without asking anybody."""
    return {
        "uptime": round(now, 3),
        "clock": round(time.time(), 3),
        "vip": has_address(config["vip"]),
        "postgres": service_state(config["postgresql"]["service"]),
        "pgpool": service_state(config["pgpool"]["service"]),
    }


def service_state(service: str, services: Path = SERVICES, old_services: Path = OLD_SERVICES) -> dict[str, Any]:
    """Whether a service has processes, and whether they are frozen (cgroup.events of cgroups(7))."""
    try:
        events = (services / service / "cgroup.events").read_text().split()
    except OSError:
        return {"running": has_processes(old_services / service), "frozen": False}
    values = dict(zip(events[::2], events[1::2], strict=True))
    return {"running": values.get("populated") == "1", "frozen": values.get("frozen") == "1"}


def has_processes(group: Path) -> bool:
    """Whether a cgroup of version 1 is there and not empty."""
    try:
        return bool((group / "cgroup.procs").read_text())
    except OSError:
        return False


def parse_state(config: Config, text: str) -> dict[str, Any]:
    """The answer to `dialect.sampled`; PostgreSQL writes empty fields for NULL."""
    recovery, timeline, lsn, replayed, sender, read_only = text.strip().split("|")
    if recovery == "t" and not dialect.of(config)["receiver_host"]:
        sender = receiver.streaming_host(standby_file(config, Path(config["postgresql"]["data_directory"]))) or ""
    return {
        "role": "standby" if recovery == "t" else "primary",
        "timeline": int(timeline),
        "lsn": lsn or None,
        "replayed": replayed or None,
        "streaming_from": next(
            (node["name"] for node in config["nodes"] if sender in (node["ip"], node["name"])), None
        ),
        "writable": recovery == "f" and read_only == "off",
    }


def write(
    line: Mapping[str, Any], state: Mapping[str, Any] | None, view: list[dict[str, str]] | None, noticed: int
) -> None:
    """One line of JSON. `state` is None when PostgreSQL did not answer in time, `view` when pgpool does not."""
    postgres = {**line["postgres"], "answered": state is not None, **(state or {})}
    whole = {**line, "postgres": postgres, "pgpool": {**line["pgpool"], "backends": view, "noticed": noticed}}
    sys.stdout.write(json.dumps(whole, separators=(",", ":")) + "\n")
    sys.stdout.flush()
