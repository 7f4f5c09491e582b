"""What the isolation service writes down, and for how long it is believed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pgpool_lab.node import notice


def test_the_latest_words_are_read_until_they_are_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(tmp_path / "word")
    assert notice.read(file, 3) is None, "nobody says so"
    notice.put_up(file, ["10.9.0.2", "10.9.0.30"])
    assert notice.read(file, 3) == ["10.9.0.2", "10.9.0.30"]
    notice.put_up(file, [])
    assert notice.read(file, 3) == []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 3.1)
    assert notice.read(file, 3) is None


@pytest.mark.parametrize("left", ["", "soon 10.9.0.2"])
def test_a_file_that_makes_no_sense_says_nothing(left: str, tmp_path: Path) -> None:
    (tmp_path / "word").write_text(left)
    assert notice.read(str(tmp_path / "word"), 3) is None


def test_where_it_cannot_be_written_nothing_ends(tmp_path: Path) -> None:
    (tmp_path / "word").mkdir()
    notice.put_up(str(tmp_path / "word"), ["10.9.0.2"])
    assert notice.read(str(tmp_path / "word"), 3) is None
