"""For whose failover a new leader of the watchdog asks again."""

from __future__ import annotations

import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from components.pgpool import layout
from tests.unit.test_templates import files, lab, text

EARLIER, NOW = "2026-11-29 17:52:40", "2026-11-29 17:52:50"
PROGRAM = """#!/bin/sh
case $0 in
*health_check_stats) cat "{folder}/stats" ;;
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


def asked(folder: Path, port: int, stats: str) -> str:
    """What the leader does about node0, whose PostgreSQL is looked for at a port of this host."""
    (folder / "stats").write_text(stats)
    for program in ("health_check_stats", "detach_node"):
        (folder / f"pcp_{program}").write_text(PROGRAM.format(folder=folder))
        (folder / f"pcp_{program}").chmod(0o755)
    script = text(files(lab(size=3))[layout.ESCALATION]).split("exec </dev/null")[0]
    script = script.replace("/usr/local/pgpool/bin", str(folder))
    script = script.replace("/dev/tcp/$node/5432", f"/dev/tcp/127.0.0.1/{port}")
    done = subprocess.run(
        ["bash", "-c", f"{script}\nask_again node0 0"], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout


GIVEN_UP = said(succeeded=EARLIER, failed=NOW)


STATES: dict[str, tuple[str, bool]] = {
    "given up": (GIVEN_UP, True),
    "not given up": (said(), False),
    "detached": (said("down", succeeded=EARLIER, failed=NOW), False),
    "skipped until it was attached": (said(succeeded=EARLIER, failed=EARLIER, skipped=NOW), False),
}
"""What pgpool says of its checks of a host that takes no connection, and whether the leader asks for its failover."""


@pytest.mark.parametrize(("stats", "expected"), STATES.values(), ids=STATES.keys())
def test_a_new_leader_asks_again_for_a_host_that_its_checks_have_given_up(
    stats: str, expected: bool, tmp_path: Path
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        nobody = server.getsockname()[1]
    assert ("detached" in asked(tmp_path, nobody, stats)) is expected


def test_a_host_that_takes_connections_again_is_left_alone(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        assert asked(tmp_path, server.getsockname()[1], GIVEN_UP) == ""
