"""The clients against a real PostgreSQL: what they record is what happened, and they end in time."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from pgpool_lab.harness.clients import rows
from pgpool_lab.harness.workload import outcome
from pgpool_lab.harness.workload.settings import WorkloadSettings
from pgpool_lab.harness.workload.table import CREATE, SELECT, TABLE
from pgpool_lab.harness.workload.workload import Workload, running
from pgpool_lab.waiting import wait_for
from tests.unit.harness.postgresql import PASSWORD, Way, free_port, server

SETTINGS = WorkloadSettings(
    writers=2,
    writes_per_second=40,
    readers=1,
    reads_per_second=20,
    reads_per_connection=3,
    statement_seconds=1.0,
    back_off_seconds=0.1,
)


def dsn(*ports: int) -> str:
    hosts = ",".join("127.0.0.1" for _ in ports)
    return f"host={hosts} port={','.join(map(str, ports))} user=postgres dbname=postgres"


@pytest.fixture(scope="module")
def database() -> Iterator[int]:
    with server() as port:
        yield port


@pytest.fixture
def port(database: int) -> int:
    """A server whose table of rows is empty."""
    with psycopg2.connect(dsn(database)) as connection:
        rows(connection, f"DROP TABLE IF EXISTS {TABLE}")
        rows(connection, CREATE)
    return database


@pytest.fixture
def way(port: int) -> Iterator[Way]:
    between = Way(port)
    yield between
    between.close()


def present(port: int) -> list[int]:
    with psycopg2.connect(dsn(port)) as connection:
        return [row["number"] for row in rows(connection, f"SELECT number FROM {TABLE} ORDER BY number")]


def test_every_acknowledged_row_is_there_once_and_reads_see_them(port: int) -> None:
    with running(Workload(dsn(port), PASSWORD, SETTINGS)) as workload:
        time.sleep(1.0)
        ledger = workload.stop()
    assert [write.number for write in ledger.acknowledged] == present(port)
    assert 10 <= len(ledger.acknowledged) <= 44
    assert {write.client for write in ledger.writes} == {"writer0", "writer1"}
    good = [read for read in ledger.reads if read.outcome == "ok"]
    assert len(good) >= 3
    assert good[-1].backend == "127.0.0.1"
    assert good[-1].count is not None and good[0].count is not None and good[-1].count > good[0].count
    assert good[-1].backend_time == pytest.approx(time.time(), abs=5)


def test_a_broken_connection_leaves_no_row_called_failed_and_the_clients_come_back(port: int, way: Way) -> None:
    with running(Workload(dsn(way.port), PASSWORD, SETTINGS)) as workload:
        for _ in range(5):
            workload.wait_until_written(seconds=5)
            way.break_off()
        workload.wait_until_written(seconds=5)
        workload.wait_until_read(seconds=5)
        ledger = workload.stop()
    there = set(present(port))
    assert {write.outcome for write in ledger.writes} >= {"acknowledged", "unknown"}
    assert {write.number for write in ledger.acknowledged} <= there <= ledger.possible


def test_a_server_that_hangs_costs_each_client_a_bounded_time(port: int, way: Way) -> None:
    with running(Workload(dsn(way.port), PASSWORD, SETTINGS)) as workload:
        workload.wait_until_written(seconds=5)
        way.hang()
        hung = time.monotonic()
        wait_for(
            lambda: [
                write for write in workload.ledger().writes if write.sent > hung - 1 and write.outcome == "unknown"
            ],
            lambda unknown: len([write for write in unknown if write.done]) >= 2,
            seconds=3,
            what="both writers gave up a statement",
        )
        way.go_on()
        workload.wait_until_written(seconds=5)
        ledger = workload.stop()
    given_up = [write for write in ledger.writes if write.outcome == "unknown" and write.done]
    assert all(write.done and 0.9 < write.done - write.sent < 4 for write in given_up)
    assert {write.number for write in ledger.acknowledged} <= set(present(port)) <= ledger.possible


def test_stopping_ends_in_time_while_the_server_hangs(way: Way) -> None:
    workload = Workload(dsn(way.port), PASSWORD, SETTINGS)
    workload.start()
    workload.wait_until_written(seconds=5)
    way.hang()
    # Longer than a statement may take: some clients wait for an answer to their log-in by now.
    time.sleep(1.5)
    began = time.monotonic()
    ledger = workload.stop()
    assert time.monotonic() - began < workload.stop_seconds
    assert ledger.acknowledged


def test_a_server_that_accepts_and_says_nothing_is_given_up_after_the_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        workload = Workload(dsn(silent.getsockname()[1]), PASSWORD, replace(SETTINGS, connect_seconds=2))
        workload.start()
        time.sleep(2.5)
        ledger = workload.stop()
    assert ledger.acknowledged == []
    ended = [write for write in ledger.writes if write.done]
    assert ended
    assert all(write.outcome == "failed" and write.done and write.done - write.sent < 4 for write in ended)


def test_a_client_that_died_of_a_fault_of_its_own_is_not_passed_over() -> None:
    def connect() -> Connection:
        raise ZeroDivisionError

    workload = Workload(dsn(free_port()), PASSWORD, SETTINGS)
    workload._clients[0]._connect = connect
    workload.start()
    with pytest.raises(ZeroDivisionError):
        workload.stop()


def test_the_second_host_is_taken_when_the_first_refuses(port: int) -> None:
    with running(Workload(dsn(free_port(), port), PASSWORD, SETTINGS)) as workload:
        workload.wait_until_written(seconds=5)


def test_a_writer_by_all_hosts_goes_on_while_the_first_is_out_and_its_rows_are_numbered_with_the_others(
    port: int, way: Way
) -> None:
    dsn_all = dsn(way.port, port)
    with running(Workload(dsn(way.port), PASSWORD, SETTINGS, dsn_all=dsn_all)) as workload:
        workload.wait_until_written(seconds=5)
        way.close()
        closed = time.monotonic()
        wait_for(
            lambda: [write for write in workload.ledger().acknowledged if write.sent > closed],
            lambda after: len(after) >= 3,
            seconds=5,
            what="rows are acknowledged on the second host",
        )
        ledger = workload.stop()
    after = {write.way for write in ledger.acknowledged if write.sent > closed}
    assert after == {"all"}
    assert {write.client for write in ledger.written("all")} == {"writer-by-all-0"}
    assert {write.client for write in ledger.written("vip")} == {"writer0", "writer1"}
    assert [write.number for write in ledger.writes] == sorted({write.number for write in ledger.writes})
    assert {write.number for write in ledger.acknowledged} <= set(present(port)) <= ledger.possible


def test_a_refused_row_is_failed_and_not_there(port: int) -> None:
    with psycopg2.connect(dsn(port)) as connection:
        rows(connection, f"ALTER TABLE {TABLE} ADD CHECK (number > 4)")
    with running(Workload(dsn(port), PASSWORD, SETTINGS)) as workload:
        workload.wait_until_written(seconds=5)
        ledger = workload.stop()
    refused = [write for write in ledger.writes if write.outcome == "failed"]
    assert [write.number for write in refused] == [1, 2, 3, 4]
    assert all(write.error and write.error.startswith("23514") for write in refused)
    assert present(port) == [write.number for write in ledger.acknowledged]


def test_a_read_uses_no_volatile_function(port: int) -> None:
    """pgpool would send it to the primary, and no standby would be watched."""
    names = [word.split("(")[0] for word in SELECT.replace(",", " ").split() if "(" in word] + ["inet_server_addr"]
    with psycopg2.connect(dsn(port)) as connection:
        found = rows(connection, "SELECT proname, provolatile FROM pg_proc WHERE proname = ANY(%s)", names)
    assert {row["proname"] for row in found} >= {"count", "max", "host", "now", "inet_server_addr"}
    assert [row for row in found if row["provolatile"] == "v"] == []


OUTCOMES = {
    "a standby refuses to write": ("25006", False, "failed"),
    "a constraint refuses": ("23514", False, "failed"),
    "the connection was lost without a word": (None, True, "unknown"),
    "refused, but the connection was lost with it": ("25006", True, "unknown"),
    "the server shuts down": ("57P01", False, "unknown"),
    "pgpool lost the backend": ("58000", False, "unknown"),
    "pgpool failed inside": ("XX000", False, "unknown"),
}


@pytest.mark.parametrize(("sqlstate", "lost", "expected"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_a_row_is_failed_only_when_it_was_refused(sqlstate: str | None, lost: bool, expected: str) -> None:
    assert outcome.of_failure(sqlstate, connection_lost=lost) == expected
