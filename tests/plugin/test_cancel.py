"""An interrupted update ends the commands that it runs. The published plugin leaves some of them running."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugin.engine import Stack
from tests.plugin.pair import Makes

pytestmark = pytest.mark.skipif("COMMAND_PLUGIN" in os.environ, reason="a promise of our own plugin only")


def test_interrupt_ends_the_command_and_its_children(stack: Stack, command: Makes) -> None:
    started = stack.folder / "started"
    waits = command("one", create=f"sleep 300 & echo $! >{started}.new; mv {started}.new {started}; wait; true")
    engine = stack.start("up", waits, options=("--yes", "--skip-preview"))
    wait_for(started.exists)
    child = int(started.read_text())
    outcome = stack.interrupt(engine)
    assert not outcome.ok
    wait_for(lambda: not runs(child))
    assert stack.resource("one") is None


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state != "Z"


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
