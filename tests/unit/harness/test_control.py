"""Acting on a node: when it was done, and what it said."""

from __future__ import annotations

import subprocess

import pytest

from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.harness import control
from pgpool_lab.harness.control import Control
from tests.unit import lab_outputs


@pytest.mark.parametrize("said", ["", "one\ntwo\n"])
def test_what_was_done_tells_the_node_s_uptime_and_what_the_script_said(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(outputs: object, node: object, script: str, *, seconds: float) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, f"123.45\n{said}", "")

    monkeypatch.setattr(control, "run_on", run)
    outputs = LabOutputs.model_validate(lab_outputs.values())
    moment = Control(outputs).act(outputs.nodes[0], "true")
    assert (moment.uptime, moment.said) == (123.45, said)
    assert moment.before <= moment.after
