"""Faults of a whole machine: power, a reboot, a pause."""

from __future__ import annotations

from dataclasses import dataclass

from pgpool_lab.cluster.outputs import MachineOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults.model import BACK_SECONDS, Fault, Target
from pgpool_lab.harness.timing import BOOT_SECONDS
from pgpool_lab.waiting import wait_for

MARK = "/run/pgpool-lab-reboot"
"""A file that a reboot removes: /run is kept in memory."""
LOOK_SECONDS = 20
"""How long a busy machine may take to say whether it is there."""


def wait_for_login(control: Control, node: MachineOutput) -> None:
    """Wait until a machine that was started takes logins. Raises NotInTime."""
    wait_for(lambda: control.answers(node), bool, seconds=BOOT_SECONDS, what=f"{node.name} takes ssh logins", pause=1)


@dataclass(frozen=True)
class PoweredOff(Fault):
    """The machine's power goes: nothing is flushed, nobody says good-bye."""

    def inject(self, control: Control, target: Target) -> Moment:
        moment = control.machine(target.node, "destroy")
        self.await_effect(lambda: control.machine_state(target.node) == "shut off", target.node, "shut off")
        return moment

    def heal(self, control: Control, target: Target) -> None:
        if control.machine_state(target.node) == "shut off":
            control.machine(target.node, "start")
        wait_for_login(control, target.node)


@dataclass(frozen=True)
class Rebooted(Fault):
    """The machine is told to reboot: its services stop in order, and none of the lab's starts by itself."""

    def inject(self, control: Control, target: Target) -> Moment:
        """It shows when the machine no longer takes logins, or has forgotten the mark."""
        moment = control.act(target.node, f"touch {MARK}\nsystemctl --no-block reboot")
        self.await_effect(lambda: forgotten(control, target.node, silent=True), target.node, "rebooting")
        return moment

    def heal(self, control: Control, target: Target) -> None:
        """A login alone may be one of before: a busy machine goes down slowly."""
        wait_for(
            lambda: forgotten(control, target.node, silent=False),
            bool,
            seconds=BOOT_SECONDS,
            what=f"{target.node.name} takes ssh logins after its reboot",
            pause=1,
        )


def forgotten(control: Control, node: MachineOutput, *, silent: bool) -> bool:
    """Whether a machine has forgotten the mark; `silent` where it takes no login."""
    try:
        return control.shell(node, f"[ ! -e {MARK} ] || echo there", seconds=LOOK_SECONDS).strip() != "there"
    except LabError:
        return silent


@dataclass(frozen=True)
class Paused(Fault):
    """The machine stands still, and later goes on as if nothing had happened: its clock lags by the pause."""

    @property
    def stands_still(self) -> bool:
        return True

    @property
    def aftermath_seconds(self) -> float:
        return BACK_SECONDS

    def inject(self, control: Control, target: Target) -> Moment:
        moment = control.machine(target.node, "suspend")
        self.await_effect(lambda: control.machine_state(target.node) == "paused", target.node, "paused")
        return moment

    def heal(self, control: Control, target: Target) -> None:
        if control.machine_state(target.node) == "paused":
            control.machine(target.node, "resume")
