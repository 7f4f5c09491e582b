"""All clients of one run: started together, watched while they run, stopped within a bound."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from psycopg2.extensions import parse_dsn

from pgpool_lab.harness.ledger import Ledger
from pgpool_lab.harness.workload.clients import Client, Reader, Writer, WriterByAll
from pgpool_lab.harness.workload.connecting import connect
from pgpool_lab.harness.workload.guard import Guard
from pgpool_lab.harness.workload.recorder import Recorder
from pgpool_lab.harness.workload.settings import WorkloadSettings
from pgpool_lab.waiting import NotInTime, wait_for

STOP_MARGIN_SECONDS = 2.0
"""For what is neither connecting nor a statement, on a busy machine."""


class Workload:
    """Writers and readers through one connection string, and one writer by another. The table must be there."""

    def __init__(
        self, dsn: str, password: str, settings: WorkloadSettings | None = None, *, dsn_all: str | None = None
    ) -> None:
        """Each may name several hosts, as libpq takes them: each is tried in turn. Without `dsn_all` nobody uses it."""
        self.settings = settings or WorkloadSettings()
        self._connecting_seconds = max(
            hosts(each) * self.settings.seconds_for(hosts(each)) for each in (dsn, dsn_all) if each is not None
        )
        self._recorder = Recorder()
        self._guard = Guard()
        self._clients = list(self._make(dsn, dsn_all, password))

    def _make(self, dsn: str, dsn_all: str | None, password: str) -> Iterator[Client]:
        settings = self.settings
        kinds: tuple[tuple[type[Client], str, int, float, str | None], ...] = (
            (Writer, "writer", settings.writers, settings.writes_per_second, dsn),
            (WriterByAll, "writer-by-all-", 1, settings.writes_per_second_by_dsn_all, dsn_all),
            (Reader, "reader", settings.readers, settings.reads_per_second, dsn),
        )
        for kind, word, count, rate, target in kinds:
            if target is None:
                continue
            for index in range(count):
                name = f"{word}{index}"
                joined = partial(connect, target, password, settings.seconds_for(hosts(target)), name=f"lab-{name}")
                yield kind(name, joined, self._guard, self._recorder, settings, rate / count)

    @property
    def names(self) -> list[str]:
        """The clients, as the ledger calls them."""
        return [client.name for client in self._clients]

    @property
    def readers(self) -> list[str]:
        """Those that only read."""
        return [client.name for client in self._clients if isinstance(client, Reader)]

    @property
    def stop_seconds(self) -> float:
        """How long `stop` may take at most: one try of every host, one statement."""
        return self._connecting_seconds + self.settings.statement_seconds + STOP_MARGIN_SECONDS

    def start(self) -> None:
        self._guard.start()
        for client in self._clients:
            client.start()

    def stop(self) -> Ledger:
        """Let the clients finish what they do, and give what they recorded.

        Raises NotInTime when one doesn't end within `stop_seconds`; it is cut off then, so that nothing more is
        written. Raises what ended a client early, if anything did.
        """
        deadline = time.monotonic() + self.stop_seconds
        for client in self._clients:
            client.ask_to_stop()
        for client in self._clients:
            client.join(max(0.0, deadline - time.monotonic()))
        self._guard.stop()
        stuck = [client.name for client in self._clients if client.is_alive()]
        if stuck:
            raise NotInTime(f"{', '.join(stuck)} did not end within {self.stop_seconds:.0f} s")
        for client in self._clients:
            if client.failure is not None:
                raise client.failure
        return self.ledger()

    def ledger(self) -> Ledger:
        """What was recorded so far."""
        return self._recorder.snapshot()

    def wait_until_written(self, *, seconds: float) -> None:
        """Wait until a row that is sent from now on is acknowledged. Raises NotInTime."""
        now = time.monotonic()
        self._wait(lambda seen: any(write.sent >= now for write in seen.acknowledged), seconds, "a row is acknowledged")

    def wait_until_read(self, *, seconds: float) -> None:
        """Wait until a read that is sent from now on succeeds. Raises NotInTime."""
        now = time.monotonic()
        self._wait(
            lambda seen: any(read.sent >= now and read.outcome == "ok" for read in seen.reads),
            seconds,
            "a read succeeds",
        )

    def _wait(self, accept: Callable[[Ledger], bool], seconds: float, what: str) -> None:
        wait_for(lambda: accept(self.ledger()), bool, seconds=seconds, what=what)


def hosts(dsn: str) -> int:
    """How many hosts a connection string names."""
    return len(parse_dsn(dsn).get("host", "").split(","))


@contextmanager
def running(workload: Workload) -> Iterator[Workload]:
    """A workload that is stopped at the end, whatever happens inside."""
    workload.start()
    try:
        yield workload
    finally:
        workload.stop()
