"""What is shown of a machine that never answered, and which one that was."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

import pytest

from components.node.node import ADAPTED
from pgpool_lab import consoles, event_log
from pgpool_lab import lab as module
from pgpool_lab.engine import Engine
from pgpool_lab.errors import LabError
from pgpool_lab.lab import Lab
from pgpool_lab.paths import LabPaths
from tests.unit.harness_faults.fakes import OUTPUTS

URN = "urn:pulumi:two-node::pgpool-lab::pgpool-lab:index:Node$command:remote:Command::"
FAILED = '{"resOpFailedEvent": {"metadata": {"urn": "%s"}}}\n'
EVENTS = FAILED % f"{URN}node4-ready" + FAILED % f"{URN}join" + '{"diagnosticEvent": {"severity": "error"}}\n'


@pytest.mark.parametrize("cut", ["", '{"resOpFailedEvent": {"metadata": {}}'])
def test_the_machine_that_was_waited_for_is_told_by_the_engine_s_events(cut: str, tmp_path: Path) -> None:
    log = tmp_path / "events.json"
    assert event_log.read(log) == []
    log.write_text(EVENTS + cut)
    assert consoles.never_ready(event_log.read(log)) == ["node4"]


def lab_with_a_console(folder: Path, text: str, machine: str = "node4") -> Lab:
    lab = Lab(LabPaths("two-node", folder))
    log = consoles.log(lab.paths, machine, system=False)
    log.parent.mkdir(parents=True)
    log.write_text(text)
    return lab


class Failing:
    """An engine whose update fails with these events."""

    def __init__(self, events: str) -> None:
        self._events = events

    def run(self, arguments: list[str]) -> int:
        Path(arguments[arguments.index("--event-log") + 1]).write_text(self._events)
        return 1


@pytest.mark.parametrize(("text", "shown"), [("booting\nKernel panic\n", "Kernel panic"), ("", "(nothing)")])
def test_a_failed_update_shows_how_that_machine_s_console_ends(text: str, shown: str, tmp_path: Path) -> None:
    lab = lab_with_a_console(tmp_path, text)
    assert lab._update(cast("Engine", Failing(EVENTS))) == 1
    problem = lab._failed().problem
    assert "pgpool-lab" in problem
    assert "-two-node-node4-console.log" in problem
    assert problem.endswith(shown)
    assert "node0" not in problem


def test_an_update_that_failed_otherwise_shows_none(tmp_path: Path) -> None:
    lab = lab_with_a_console(tmp_path, "booting\n")
    assert lab._update(cast("Engine", Failing(""))) == 1
    assert lab._failed().problem == "pulumi up failed: see above"


def test_machines_that_do_not_come_back_after_a_reboot_are_shown_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = lab_with_a_console(tmp_path, "Kernel panic\n", "node1")
    monkeypatch.setattr(module, "BOOT_SECONDS", 0)
    monkeypatch.setattr(module, "answers", lambda outputs, machine: machine.name != "node1")
    with pytest.raises(LabError, match="Kernel panic"):
        lab._wait_for_logins(OUTPUTS)


def adapted(folder: Path, devices: str) -> ElementTree.Element:
    """The devices of a machine's definition after the provider has adapted it."""
    sheet, definition = folder / "sheet.xsl", folder / "domain.xml"
    sheet.write_text(ADAPTED)
    definition.write_text(f"<domain type='qemu'><name>a-lab-node4</name><devices>{devices}</devices></domain>")
    done = subprocess.run(["xsltproc", "--nonet", sheet, definition], capture_output=True, text=True, check=True)
    found = ElementTree.fromstring(done.stdout).find("devices")
    assert found is not None
    return found


def test_the_definition_of_a_machine_keeps_its_console_where_it_is_looked_for(tmp_path: Path) -> None:
    devices = adapted(tmp_path, "<disk/><console type='pty'><target type='serial'/></console>")
    assert [each.tag for each in devices] == ["disk", "console"]
    log = devices.find("console/log")
    assert log is not None
    assert log.attrib == {"append": "on", "file": f"{consoles.LOG_FOLDER}/a-lab-node4-console.log"}


def test_of_a_machine_s_disks_only_the_seed_is_read_only(tmp_path: Path) -> None:
    disk = "<disk><driver name='qemu' type='qcow2'/><source pool='p' volume='node4-%s'/></disk>"
    devices = adapted(tmp_path, "".join(disk % each for each in ("root.qcow2", "data.qcow2", "cloud-init.iso")))
    kinds = [str(each.find("driver").get("type")) for each in devices]  # type: ignore[union-attr]
    assert kinds == ["qcow2", "qcow2", "raw"]
    assert [each.find("readonly") is not None for each in devices] == [False, False, True]
