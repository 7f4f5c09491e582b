"""What a node does with the files that it is sent."""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import components.node

SCRIPT = Path(components.node.__file__).parent / "write_files.py"


def sent(path: Path, content: str, mode: str = "0644") -> list[str]:
    """Write one file as a node does; the paths that have changed by that."""
    owner = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"
    entry = {"path": str(path), "content": content, "mode": mode, "owner": owner}
    done = subprocess.run(
        [sys.executable, SCRIPT], input=json.dumps([entry]), capture_output=True, text=True, check=True
    )
    changed: list[str] = json.loads(done.stdout)
    return changed


def test_a_file_is_made_with_its_folder_and_mode_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    assert sent(path, "text\n", "0600") == [str(path)]
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("text\n", 0o600)
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_the_same_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    sent(path, "text\n")
    before = path.stat()
    assert sent(path, "text\n", "0755") == []
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode & 0o777) == (before.st_ino, before.st_mtime_ns, 0o755)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_differs_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    sent(path, "a long text\n")
    reader = path.open()
    assert sent(path, "new\n") == [str(path)]
    assert (path.read_text(), reader.read()) == ("new\n", "a long text\n")
    reader.close()


def test_a_module_is_compiled_for_accounts_that_cannot_write_there(tmp_path: Path) -> None:
    sent(tmp_path / "module.py", "VALUE = 1\n")
    assert list((tmp_path / "__pycache__").glob("module.*.pyc"))
