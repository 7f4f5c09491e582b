"""Whether another pgpool has just taken over, by the word of the isolation service."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pgpool_lab.node import overtaken

ELSEWHERE, HERE = "192.0.2.9", "127.0.0.1"


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "overtaken"
    monkeypatch.setattr(overtaken, "FILE", str(path))
    return path


def test_it_is_said_once_and_holds_while_the_virtual_ip_is_elsewhere() -> None:
    assert not overtaken.lately(ELSEWHERE), "nobody says so"
    overtaken.say()
    assert overtaken.lately(ELSEWHERE)
    assert not overtaken.lately(HERE), "it has the virtual IP again, as the leader"


def test_an_old_word_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    overtaken.say()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + overtaken.VALID_SECONDS + 0.1)
    assert not overtaken.lately(ELSEWHERE)


@pytest.mark.parametrize("left", ["", "soon"])
def test_a_file_that_makes_no_sense_says_nothing(left: str, file: Path) -> None:
    file.write_text(left)
    assert not overtaken.lately(ELSEWHERE)


def test_where_it_cannot_be_written_nothing_ends(file: Path) -> None:
    file.mkdir()
    overtaken.say()
    assert not overtaken.lately(ELSEWHERE)
