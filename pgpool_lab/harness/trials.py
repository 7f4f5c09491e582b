"""Scenarios on one lab, each run, judged and recorded below a folder of reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from pgpool_lab.cluster import logs
from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.harness import recording as files
from pgpool_lab.harness.assessment import Place, assess, check
from pgpool_lab.harness.control import Control
from pgpool_lab.harness.faults import Injector, Record
from pgpool_lab.harness.machine import Machine, this_machine
from pgpool_lab.harness.recording import Recording
from pgpool_lab.harness.result import Result
from pgpool_lab.harness.scenarios import Runner, Scenario
from pgpool_lab.harness.scenarios.protocols import Stage
from pgpool_lab.harness.scenarios.stage import Rewinding
from pgpool_lab.harness.workload import table
from pgpool_lab.harness.workload.workload import Workload
from pgpool_lab.settings.presets import preset_of

LOGS = "logs"
"""Folder of the nodes' logs, beside the recording of a run that failed."""


class Trials:
    """Runs scenarios on one lab. This process must be in the lab's network: the clients are threads of it."""

    def __init__(
        self,
        stack: str,
        outputs: LabOutputs,
        record: Path,
        reports: Path,
        tell: Callable[[str], None],
        *,
        stage: Stage | None = None,
    ) -> None:
        """`record` is the file of the lab's faults; `tell` gets a line for whoever watches.

        The lab is rewound before each run, unless another `stage` prepares it.

        Raises LabError for a lab on which no run could be judged.
        """
        check(outputs)
        control = Control(outputs)
        faults = Record(record)
        self._stack, self._outputs, self._reports = stack, outputs, reports
        self._stage: Stage = stage or Rewinding(control, faults, tell)
        self._runner = Runner(stack, control, Injector(control, faults), self._stage, self._workload, tell)
        self._place = place_of(outputs)

    def run(self, scenario: Scenario) -> Result:
        """Run one scenario and leave the lab healthy; its recording is in `folder`, with the logs if it failed.

        What keeps a run from being recorded is raised: LabError where the lab can't be prepared or watched, what
        ended a client.
        """
        folder = self.folder(scenario)
        try:
            recording = self._record(scenario)
        except Exception:
            logs.keep(self._outputs, folder / LOGS)
            raise
        files.save(folder, recording)
        if not recording.result.passed:
            logs.keep(self._outputs, folder / LOGS)
        return recording.result

    @property
    def rewind_seconds(self) -> float | None:
        """How long the way back to the snapshot took before the latest run; None when it was not taken."""
        return self._stage.rewind_seconds

    @property
    def rewind_failure(self) -> str:
        """Why the lab had to be restored before the latest run although there is a snapshot; empty otherwise."""
        return self._stage.rewind_failure

    def folder(self, scenario: Scenario) -> Path:
        """Where a scenario's recording goes: two stacks may report into one folder."""
        return self._reports / f"{self._stack}.{scenario.name}"

    def _record(self, scenario: Scenario) -> Recording:
        run = self._runner.run(scenario)
        return assess(run, self._place, table.settled_rows(self._outputs, self._outputs.nodes))

    def _workload(self) -> Workload:
        """Writers and readers through the virtual IP and a writer by `dsn_all`, with their table made."""
        table.create_everywhere(self._outputs)
        outputs = self._outputs
        return Workload(outputs.dsn, outputs.credentials.superuser.password, dsn_all=outputs.dsn_all)


def place_of(outputs: LabOutputs) -> Place:
    """Where runs on a lab take place."""
    return Place(outputs=outputs, preset=preset_of(outputs.timings), machine=machine_of(Control(outputs)))


def machine_of(control: Control) -> Machine:
    """The host, and what libvirt says of the first node's machine."""
    definition = ElementTree.fromstring(control.virsh("dumpxml", control.outputs.nodes[0].domain))
    return this_machine(definition.attrib["type"], int(definition.findtext("vcpu", "1")))
