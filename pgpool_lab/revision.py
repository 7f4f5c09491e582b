"""Which version of this project it is."""

from __future__ import annotations

import subprocess

from pgpool_lab.paths import PROJECT


def commit() -> str:
    """The checkout's commit, with `-dirty` when tracked files are changed; `unknown` where git doesn't tell."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"
