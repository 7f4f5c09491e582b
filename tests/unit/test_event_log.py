"""What is kept of the engine's event log."""

from __future__ import annotations

import json
from pathlib import Path

from pgpool_lab import event_log

RESOURCE = {"sequence": 1, "resourcePreEvent": {"metadata": {"op": "create"}}}
TOLD = {"sequence": 2, "diagnosticEvent": {"severity": "info#err", "message": "node4 does not answer"}}
DEBUG = {"sequence": 3, "diagnosticEvent": {"severity": "debug", "message": "outputs prepared: Maiglöckchen-17"}}


def test_what_the_engine_says_for_its_developers_is_not_kept(tmp_path: Path) -> None:
    log = tmp_path / "events.json"
    log.write_text("".join(f"{json.dumps(event)}\n" for event in (RESOURCE, DEBUG, TOLD)) + '{"sequence": 4, "diag')
    event_log.forget_debugging(log)
    assert event_log.read(log) == [RESOURCE, TOLD]
    assert "17" not in log.read_text()


def test_where_nothing_was_written_nothing_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "events.json"
    event_log.forget_debugging(log)
    assert event_log.read(log) == []
