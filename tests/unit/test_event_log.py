"""What is kept of the engine's event log."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pgpool_lab import event_log

RESOURCE = {"sequence": 1, "resourcePreEvent": {"metadata": {"op": "create"}}}
TOLD = {"sequence": 2, "diagnosticEvent": {"severity": "info#err", "message": "node4 does not answer"}}
DEBUG = {"sequence": 3, "diagnosticEvent": {"severity": "debug", "message": "outputs prepared: Maiglöckchen-17"}}


def test_what_the_engine_says_for_its_developers_is_not_kept(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "events.json"
    with event_log.kept(log) as place:
        Path(place).write_text(
            "".join(f"{json.dumps(event)}\n" for event in (RESOURCE, DEBUG, TOLD)) + '{"sequence": 4'
        )
        assert not log.exists(), "what is written before the end would be left by a command that is killed"
    assert event_log.read(log) == [RESOURCE, TOLD]
    assert "17" not in log.read_text()


def test_another_process_writes_there_and_an_interruption_keeps_what_it_wrote(tmp_path: Path) -> None:
    log = tmp_path / "events.json"
    with pytest.raises(KeyboardInterrupt), event_log.kept(log) as place:
        subprocess.run(["tee", place], input=f"{json.dumps(TOLD)}\n", text=True, check=True, stdout=subprocess.DEVNULL)
        raise KeyboardInterrupt
    assert event_log.read(log) == [TOLD]


def test_of_an_update_that_never_began_nothing_is_left_of_the_one_before(tmp_path: Path) -> None:
    log = tmp_path / "events.json"
    assert event_log.read(log) == []
    log.write_text(f"{json.dumps(TOLD)}\n")
    with event_log.kept(log):
        pass
    assert event_log.read(log) == []
