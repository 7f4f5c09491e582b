"""Whom a new leader of the watchdog asks to have failed over."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from components.pgpool import layout
from tests.unit.test_templates import files, lab, text

EARLIER, NOW = "2026-11-29 17:52:40", "2026-11-29 17:52:50"
PROGRAM = """#!/bin/sh
case $0 in
*health_check_stats) cat "{folder}/stats" ;;
*watchdog_info) cat "{folder}/members" ;;
*detach_node) echo "detached $*" ;;
esac
"""


def said(status: str = "up", *, succeeded: str = NOW, failed: str = EARLIER, skipped: str = "") -> str:
    """Of a backend by pcp_health_check_stats, as far as it counts."""
    return (
        f"Status                        : {status}\n"
        f"Last Successful Health Check  : {succeeded}\n"
        f"Last Skip Health Check        : {skipped}\n"
        f"Last Failed Health Check      : {failed}\n"
    )


def members(state: str) -> str:
    """The watchdog's members by pcp_watchdog_info, with the state of node0."""
    return (
        "3 3 YES node4:9999 Linux node4 node4\n\n"
        "node4:9999 Linux node4 node4 9999 9000 4 LEADER 0 MEMBER\n"
        "node5:9999 Linux node5 node5 9999 9000 7 STANDBY 0 MEMBER\n"
        f"node0:9999 Linux node0 node0 9999 9000 {state} 0 MEMBER\n"
    )


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of a server that takes connections."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def asked(folder: Path, port: int, stats: str, watchdog: str, *, then: str = "") -> str:
    """What the leader does about node0, whose PostgreSQL is looked for at a port of this host.

    `then` is put after the script's functions.
    """
    (folder / "stats").write_text(stats)
    (folder / "members").write_text(watchdog)
    for program in ("health_check_stats", "watchdog_info", "detach_node"):
        (folder / f"pcp_{program}").write_text(PROGRAM.format(folder=folder))
        (folder / f"pcp_{program}").chmod(0o755)
    script = text(files(lab(size=3))[layout.ESCALATION]).split("exec </dev/null")[0]
    script = script.replace("/usr/local/pgpool/bin", str(folder)).replace(
        "/dev/tcp/$1/5432", f"/dev/tcp/127.0.0.1/{port}"
    )
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{then}\nask_again node0 0"], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout


GIVEN_UP = said(succeeded=EARLIER, failed=NOW)


@pytest.mark.parametrize(
    ("stats", "watchdog", "why"),
    [
        (GIVEN_UP, members("8 LOST"), "node0 was given up"),
        (GIVEN_UP, members("7 STANDBY"), "node0 was given up"),
        (said(), members("8 LOST"), "node0 was lost"),
        (said(), members("7 STANDBY"), None),
        (said(), members("10 SHUTDOWN"), None),
        (said("down", succeeded=EARLIER, failed=NOW), members("8 LOST"), None),
        (said(succeeded=EARLIER, failed=EARLIER, skipped=NOW), members("7 STANDBY"), None),
    ],
    ids=["given up", "its PostgreSQL alone", "lost", "there", "stopped", "detached", "skipped"],
)
def test_a_host_that_takes_no_connection_is_failed_over_if_the_checks_or_the_watchdog_gave_it_up(
    stats: str, watchdog: str, why: str | None, tmp_path: Path
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        nobody = server.getsockname()[1]
    done = asked(tmp_path, nobody, stats, watchdog)
    assert ("detached" in done, why is None or why in done) == (why is not None, True)
    if why is not None:
        assert done.rstrip().endswith("-n 0")


def test_one_that_the_checks_have_not_given_up_has_as_long_to_answer_as_the_kernel_needs_to_ask_twice(
    tmp_path: Path,
) -> None:
    late = 'takes_connections() { [ "$2" = 1.2 ]; }'
    assert asked(tmp_path, 1, said(), members("8 LOST"), then=late) == ""
    assert "was given up" in asked(tmp_path, 1, GIVEN_UP, members("8 LOST"), then=late)


def test_a_lost_host_is_failed_over_though_pgpool_tells_nothing_of_its_checks(tmp_path: Path) -> None:
    silent = f'pcp() {{ [ "$1" != health_check_stats ] && "{tmp_path}/pcp_$1" "${{@:2}}"; }}'
    assert "node0 was lost" in asked(tmp_path, 1, said(), members("8 LOST"), then=silent)


@pytest.mark.parametrize("stats", [GIVEN_UP, said()], ids=["given up", "lost"])
def test_a_host_that_takes_connections_is_left_alone(stats: str, listening: int, tmp_path: Path) -> None:
    assert asked(tmp_path, listening, stats, members("8 LOST")) == ""
