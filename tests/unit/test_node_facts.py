"""What a node says of a PostgreSQL that does not answer, and of its volume."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import psycopg2
import pytest

from pgpool_lab.harness.clients import rows
from pgpool_lab.node import control_file, facts
from pgpool_lab.node.configuration import StepFailed
from tests.unit.harness import postgresql

CONTROLDATA = """\
pg_control version number:            1300
Database system identifier:           7711219446825000741
Database cluster state:               in archive recovery
Latest checkpoint location:           0/4000098
Latest checkpoint's REDO location:    0/4000060
Latest checkpoint's TimeLineID:       1
Latest checkpoint's PrevTimeLineID:   1
Minimum recovery ending location:     0/10000000
Min recovery ending loc's timeline:   2
Time of latest checkpoint:            Mon Nov 23 04:29:52 2026
"""
"""Lines of pg_controldata 15.18."""


def test_controldata() -> None:
    assert facts.parse_controldata(CONTROLDATA) == {
        "timeline": 2,
        "lsn": "0/10000000",
        "system_identifier": "7711219446825000741",
        "control_state": "in archive recovery",
    }


def test_controldata_of_a_primary() -> None:
    text = CONTROLDATA.replace("0/10000000", "0/0").replace("timeline:   2", "timeline:   0")
    known = facts.parse_controldata(text)
    assert (known["timeline"], known["lsn"]) == (1, "0/4000098")


def test_what_stands_in_pg_control_is_what_pg_controldata_says(tmp_path: Path) -> None:
    programs = postgresql.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with postgresql.server() as port, psycopg2.connect(port=port, host="127.0.0.1", user="postgres") as connection:
        directory = Path(rows(connection, "SHOW data_directory")[0]["data_directory"])
        rows(connection, "SELECT pg_switch_wal()")
        said = subprocess.run([programs / "pg_controldata", directory], capture_output=True, text=True, check=True)
        assert control_file.read(directory) == facts.parse_controldata(said.stdout)


def test_pg_control_of_a_standby_and_of_a_version_that_is_not_known(tmp_path: Path) -> None:
    content = bytearray(296)
    struct.pack_into("<QIIiiQQ", content, 0, 7711219446825000741, 960, 201608131, 5, 0, 0, 0x4000098)
    struct.pack_into("<QII", content, 48, 0x4000060, 1, 1)
    struct.pack_into("<QI", content, 136, 0x110000000, 2)
    (tmp_path / "global").mkdir()
    (tmp_path / "global" / "pg_control").write_bytes(content)
    (tmp_path / "PG_VERSION").write_text("9.6\n")
    assert control_file.read(tmp_path) == {
        "timeline": 2,
        "lsn": "1/10000000",
        "system_identifier": "7711219446825000741",
        "control_state": "in archive recovery",
    }
    (tmp_path / "PG_VERSION").write_text("8.3\n")
    with pytest.raises(StepFailed, match=r"PostgreSQL 8\.3"):
        control_file.read(tmp_path)


def test_history() -> None:
    text = "1\t0/501E570\tno recovery target specified\n\n# remark\n2\t0/5023260\tno recovery target specified\n"
    assert facts.parse_history(text) == [(1, "0/501E570"), (2, "0/5023260")]


@pytest.mark.parametrize(
    ("names", "timeline"),
    [
        (["000000010000000000000004", "archive_status"], 0),
        (["000000010000000000000004", "000000020000000000000004", "00000002.history"], 2),
        (["00000002.history", "000000010000000000000004"], 0),
        (["000000040000000000000005", "000000030000000000000005", "00000003.history"], 3),
        (["0000000A0000000000000005", "0000000A.history"], 10),
        (["000000020000000000000004.partial", "00000002.history"], 0),
    ],
    ids=["first", "second", "history fetched, not taken", "remnant of pg_rewind", "hexadecimal", "partial segment"],
)
def test_last_timeline(names: list[str], timeline: int) -> None:
    assert facts.last_timeline(names) == timeline


def test_data_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fstab = tmp_path / "fstab"
    fstab.touch()
    monkeypatch.setattr(facts, "FSTAB", fstab)
    data = tmp_path / "volume" / "data"
    assert facts.data_state(data) == "none"
    (data / "global").mkdir(parents=True)
    assert facts.data_state(data) == "partial"
    (data / "PG_VERSION").touch()
    assert facts.data_state(data) == "partial"
    (data / "global" / "pg_control").touch()
    assert facts.data_state(data) == "present"
    fstab.write_text(
        f"/dev/vda1 / ext4 defaults\n# /dev/vdc {tmp_path}/other\n/dev/vdb {tmp_path}/volume ext4 nofail\n"
    )
    with pytest.raises(StepFailed, match="volume is not mounted"):
        facts.data_state(data)


def test_mount_points_that_do_not_matter(tmp_path: Path) -> None:
    directory = tmp_path / "volume" / "data"
    assert facts.unmounted(f"/dev/vdb {tmp_path}/elsewhere ext4 defaults 0 0\n", directory) is None
    assert facts.unmounted(f"/dev/vdb {tmp_path}/vol ext4 defaults 0 0\n", directory) is None
    assert facts.unmounted("/dev/vda1 / ext4 defaults,noatime 0 0\n", directory) is None
