"""Waking pgpool's replication checker."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pgpool_lab.node import checker


def test_the_checker_of_every_pgpool_is_signalled_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = {
        "21": b"pgpool: worker process\0",
        "22": b"pgpool: health check process(0)\0",
        "23": b"grep\0pgpool: worker process\0",
        "24": b"pgpool: worker process",
        "self": b"pgpool: worker process",
    }
    for name, words in processes.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "cmdline").write_bytes(words)
    (tmp_path / "25").mkdir()
    told: list[int] = []

    def kill(process: int, number: int) -> None:
        assert number == signal.SIGUSR1
        told.append(process)
        if process == 21:
            raise ProcessLookupError

    monkeypatch.setattr(checker, "PROCESSES", str(tmp_path))
    monkeypatch.setattr(os, "kill", kill)
    checker.wake()
    assert sorted(told) == [21, 24]
