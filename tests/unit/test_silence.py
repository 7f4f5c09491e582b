"""Who has been silent, by the word of the isolation service."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgpool_lab.node import silence


def test_the_latest_word_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "FILE", str(tmp_path / "silent"))
    assert not silence.is_silent("10.9.0.2"), "nobody says so"
    silence.say(["10.9.0.2", "10.9.0.30"])
    assert silence.is_silent("10.9.0.2") and silence.is_silent("10.9.0.30")
    assert not silence.is_silent("10.9.0.3")
    silence.say([])
    assert not silence.is_silent("10.9.0.2")
