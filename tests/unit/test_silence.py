"""Who has been silent, by the word of the isolation service."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pgpool_lab.node import silence


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "silent"
    monkeypatch.setattr(silence, "FILE", str(path))
    return path


def test_the_latest_word_counts() -> None:
    assert not silence.is_silent("10.9.0.2"), "nobody says so"
    silence.say(["10.9.0.2", "10.9.0.30"])
    assert silence.is_silent("10.9.0.2") and silence.is_silent("10.9.0.30")
    assert not silence.is_silent("10.9.0.3")
    silence.say([])
    assert not silence.is_silent("10.9.0.2")


def test_an_old_word_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    silence.say(["10.9.0.2"])
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + silence.VALID_SECONDS + 0.1)
    assert not silence.is_silent("10.9.0.2")


@pytest.mark.parametrize("left", ["", "soon 10.9.0.2"])
def test_a_file_that_makes_no_sense_says_nothing(left: str, file: Path) -> None:
    file.write_text(left)
    assert not silence.is_silent("10.9.0.2")


def test_where_it_cannot_be_written_nothing_ends(file: Path) -> None:
    file.mkdir()
    silence.say(["10.9.0.2"])
    assert not silence.is_silent("10.9.0.2")
