"""The launcher of somebody who is not root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pgpool_lab.paths import PROJECT

STUBS = {"id": "echo 1000", "sudo": 'printf "%s\\n" "$@"'}


@pytest.fixture
def somebody(tmp_path: Path) -> dict[str, str]:
    """Variables under which `id` tells of a user without rights, and `sudo` shows what it is to do."""
    for name, body in STUBS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


def launched(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROJECT / "lab", *arguments],
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_needs_root_is_done_through_sudo_with_the_lab_s_variables_and_all_words(somebody: dict[str, str]) -> None:
    done = launched(somebody, "ssh", "node0", "--", "echo", "two words")
    kept, program, *words = done.stdout.splitlines()
    assert Path(program).resolve() == PROJECT / "lab"
    assert words == ["ssh", "node0", "--", "echo", "two words"]
    variables = kept.removeprefix("--preserve-env=").split(",")
    assert {"LAB_TOOLCHAIN", "LAB_OUTPUTS", "LAB_WAIT_FACTOR", "COMMAND_PLUGIN", "XDG_CACHE_HOME"} <= set(variables)
    assert "sudo: root is needed" in done.stderr


def test_without_sudo_it_says_what_to_do(somebody: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "sudo").unlink()
    # Only what the launcher itself uses by then.
    for name in ("bash", "dirname", "readlink", "sha256sum", "cut"):
        [found] = [Path(folder) / name for folder in ("/usr/bin", "/bin") if (Path(folder) / name).exists()][:1]
        (tmp_path / name).symlink_to(found)
    done = launched({**somebody, "PATH": str(tmp_path)}, "up")
    assert done.returncode == 1
    assert done.stderr.startswith("error: root is needed for ") and "repeat the command as root" in done.stderr
