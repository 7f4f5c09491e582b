"""What pgpool has noticed, from the lines that it logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgpool_lab.node.noticed import Noticed

LINES: dict[str, tuple[str, int]] = {
    "a backend, since 3.3": ("LOG:  received degenerate backend request for node_id: 0 from pid [2645]", 1),
    "a backend, before": ("LOG:   pid 812: degenerate_backend_set: 0 fail over request from pid 812", 1),
    "a member that is silent": ('LOG:  remote node "node0:9999 Linux node0" is lost', 1),
    "a member that stops": ('LOG:  remote node "node0:9999 Linux node0" is shutting down', 1),
    "a member, 3.3 and 3.4": ("DETAIL:  pgpool 1 (node0:9999) is in down status", 1),
    "pgpool itself stops": ("LOG:  Watchdog is shutting down", 0),
    "a failover that nobody wanted": ("LOG:  invalid degenerate backend request, node id: 7 is out of range", 0),
    "anything else": ("LOG:  new outbound connection to node0:9000", 0),
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "pgpool.log"


@pytest.mark.parametrize(("line", "count"), LINES.values(), ids=LINES.keys())
def test_a_loss_is_told_by_its_line(line: str, count: int, log: Path) -> None:
    noticed = Noticed(log)
    log.write_text(f"2026-11-30 08:00:00.000: pid 2645: {line}\n")
    assert noticed.count() == count


def add(log: Path, text: str) -> None:
    with log.open("a") as stream:
        stream.write(text)


def test_what_was_logged_before_does_not_count(log: Path) -> None:
    add(log, 'remote node "node0" is lost\n')
    noticed = Noticed(log)
    assert noticed.count() == 0
    add(log, 'remote node "node5" is lost\nfailover done\n')
    assert noticed.count() == 1
    assert noticed.count() == 1


def test_a_line_counts_once_it_is_whole(log: Path) -> None:
    noticed = Noticed(log)
    add(log, 'remote node "node0" is')
    assert noticed.count() == 0
    add(log, " lo")
    assert noticed.count() == 0
    add(log, 'st\nremote node "node5" is lost\n')
    assert noticed.count() == 2


def test_a_log_that_is_gone_tells_nothing_new(log: Path) -> None:
    add(log, "one\n")
    noticed = Noticed(log)
    log.unlink()
    assert noticed.count() == 0
