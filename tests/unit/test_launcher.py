"""The launcher of somebody who is not root."""

from __future__ import annotations

import hashlib
import os
import shutil
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


def test_an_environment_that_was_made_for_another_python_is_made_anew(tmp_path: Path) -> None:
    """A newer Python of the system finds nothing of what was installed for the older one."""
    checkout, stubs = tmp_path / "checkout", tmp_path / "stubs"
    for folder in (checkout / ".venv" / "bin", stubs):
        folder.mkdir(parents=True)
    for name in ("lab", "requirements.lock"):
        (checkout / name).symlink_to(PROJECT / name)
    # A copy: the launcher's folder is where the file itself is.
    (checkout / "lab").unlink()
    shutil.copy2(PROJECT / "lab", checkout / "lab")
    programs = {
        stubs: '[ "$1" = -c ] || { echo made >&2; exit 1; }',
        checkout / ".venv" / "bin": '[ "$1" != -c ] || echo "$PYTHON"',
    }
    for folder, body in programs.items():
        (folder / "python3").write_text(f"#!/bin/sh\n{body}\n")
        (folder / "python3").chmod(0o755)
    (checkout / ".venv" / "bin" / "python").symlink_to("python3")
    lock = hashlib.sha256((PROJECT / "requirements.lock").read_bytes()).hexdigest()
    (checkout / ".venv" / ".made-of").write_text(f"{lock} 3.11\n")
    for version, said in {"3.11": "", "3.13": "made"}.items():
        variables = {**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}", "PYTHON": version}
        done = subprocess.run([checkout / "lab", "--help"], env=variables, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (not said)
        assert said in done.stderr
