"""What a command runs in its terminal is given the time to end, whoever asks for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pgpool_lab.paths import PROJECT
from pgpool_lab.progress import foreground

CHILD = "trap 'sleep 0.4; echo ended >{file}; exit 3' INT; echo begun >{file}; while :; do sleep 0.1; done"
# A shell that runs the tests in the background has them ignore Ctrl-C, and whom they start.
PARENT = """
import signal
import sys
from pgpool_lab.progress import end_when_told, foreground
signal.signal(signal.SIGINT, signal.default_int_handler)
end_when_told()
try:
    foreground(["sh", "-c", sys.argv[1]])
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_the_exit_code_is_the_program_s() -> None:
    assert foreground(["sh", "-c", "exit 3"]) == 3


@pytest.mark.parametrize("everybody", [True, False], ids=["ctrl-c", "the command alone is told"])
def test_it_ends_what_it_has_under_way_before_the_command_ends(everybody: bool, tmp_path: Path) -> None:
    file = tmp_path / "said"
    command = [sys.executable, "-c", PARENT, CHILD.format(file=file)]
    process = subprocess.Popen(command, cwd=PROJECT, start_new_session=True)
    deadline = time.monotonic() + 30
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # By then it is waited for.
    if everybody:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.terminate()
    try:
        assert process.wait(timeout=30) == 130
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert file.read_text() == "ended\n"
