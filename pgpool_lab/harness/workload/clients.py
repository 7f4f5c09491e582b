"""The clients: threads that write or read at a pace, and connect again as an application does."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import psycopg2
from psycopg2.extensions import connection as Connection

from pgpool_lab.harness.ledger import Read, Way
from pgpool_lab.harness.workload import outcome
from pgpool_lab.harness.workload.guard import Guard
from pgpool_lab.harness.workload.recorder import Recorder
from pgpool_lab.harness.workload.settings import WorkloadSettings
from pgpool_lab.harness.workload.table import INSERT, SELECT

Connect = Callable[[], Connection]


class Client(threading.Thread, ABC):
    """One client with a connection of its own. An attempt that is late is not made up for by a burst."""

    def __init__(
        self, name: str, connect: Connect, guard: Guard, recorder: Recorder, settings: WorkloadSettings, rate: float
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._connect = connect
        self._guard = guard
        self._recorder = recorder
        self._settings = settings
        self._interval = 1 / rate
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self.failure: Exception | None = None
        """What ended this client before it was asked to stop: a fault of the harness, not of the lab."""

    def ask_to_stop(self) -> None:
        """No further attempt is begun."""
        self._stopping.set()

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self.failure = error
        finally:
            self.disconnect()

    def _work(self) -> None:
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            began = time.monotonic()
            due = max(due, began) + self._interval
            if not self.attempt():
                self.disconnect()
                due = max(due, time.monotonic() + self._settings.back_off_seconds)

    @abstractmethod
    def attempt(self) -> bool:
        """Do it once and record it; whether the connection is worth keeping."""

    def connected(self) -> Connection:
        """The connection, made if there is none. Raises psycopg2.Error."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Writer(Client):
    """Inserts one numbered row at a time."""

    way: ClassVar[Way] = "vip"

    def attempt(self) -> bool:
        write = self._recorder.begin_write(self.name, self.way)
        try:
            connection = self.connected()
        except psycopg2.Error as error:
            self._recorder.end_write(write, "failed", said(error))
            return False
        try:
            with self._guard.limit(connection, self._settings.statement_seconds), connection.cursor() as cursor:
                cursor.execute(INSERT, (write.number,))
        except psycopg2.Error as error:
            result = outcome.of_failure(error.pgcode, connection_lost=connection.closed != 0)
            self._recorder.end_write(write, result, said(error))
            return False
        self._recorder.end_write(write, "acknowledged")
        return True


class WriterByAll(Writer):
    """A writer whose connection string names every node's pgpool; its rows are numbered with the others'."""

    way = "all"


class Reader(Client):
    """Looks at the whole table, on a new connection every few times."""

    _reads = 0

    def attempt(self) -> bool:
        sent = time.monotonic()
        row = problem = None
        try:
            connection = self.connected()
            with self._guard.limit(connection, self._settings.statement_seconds), connection.cursor() as cursor:
                cursor.execute(SELECT)
                row = cursor.fetchone()
        except psycopg2.Error as error:
            problem = said(error)
        count, newest, backend, backend_time = row or (None, None, None, None)
        self._recorder.add_read(
            Read(
                client=self.name,
                sent=sent,
                done=time.monotonic(),
                outcome="ok" if row else "failed",
                error=problem,
                count=count,
                newest=newest,
                backend=backend,
                backend_time=backend_time,
            )
        )
        self._reads += 1
        if self._reads % self._settings.reads_per_connection == 0:
            self.disconnect()
        return row is not None


def said(error: psycopg2.Error) -> str:
    """An error in one line, with its SQLSTATE where it has one."""
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{error.pgcode}: {text}" if error.pgcode else text
