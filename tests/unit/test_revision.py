"""How a checkout's state is named."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pgpool_lab import revision


def test_a_commit_says_whether_tracked_files_were_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(["git", *identity, *words], cwd=tmp_path, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(revision, "PROJECT", tmp_path)
    assert revision.commit() == "unknown"
    (tmp_path / "tracked").write_text("1")
    git("init")
    git("add", "tracked")
    git("commit", "-m", "first")
    (tmp_path / "measured.json").write_text("1")
    assert revision.commit() == git("rev-parse", "HEAD")
    (tmp_path / "tracked").write_text("2")
    assert revision.commit() == f"{git('rev-parse', 'HEAD')}-dirty"
