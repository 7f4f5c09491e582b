"""What a command runs ends when it should: given the time to, whoever asks for it, and not later than the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.paths import PROJECT
from pgpool_lab.progress import foreground, run
from pgpool_lab.waiting import wait_for

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


STEP = """
import sys
from pathlib import Path
from pgpool_lab.progress import run
run(["sh", "-c", f"echo $$ >{sys.argv[1]}; exec sleep 300"], title="a step", log=Path(sys.argv[1]).with_name("log"))
"""


def is_running(process: int) -> bool:
    """Whether it is there, and not only its exit code (proc_pid_stat(5))."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_step_ends_with_a_command_that_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "process"
    process = subprocess.Popen([sys.executable, "-c", STEP, str(file)], cwd=PROJECT, stderr=subprocess.DEVNULL)
    said = wait_for(lambda: file.read_text() if file.exists() else "", bool, seconds=30, what="the step has begun")
    assert is_running(int(said))
    process.kill()
    process.wait()
    wait_for(lambda: is_running(int(said)), lambda runs: not runs, seconds=30, what="the step has ended")


def test_a_step_whose_program_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="a step: cannot run no-such-program: it is not there"):
        run(["no-such-program"], title="a step", log=tmp_path / "log")
