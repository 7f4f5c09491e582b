"""Where scenarios begin: a healthy lab with its roles arranged, by a rewind where that is possible."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pgpool_lab.cluster.status import primaries
from pgpool_lab.errors import LabError
from pgpool_lab.harness import snapshot
from pgpool_lab.harness.control import Control
from pgpool_lab.harness.faults.record import Record
from pgpool_lab.harness.restoration import restore, wait_until_healthy
from pgpool_lab.harness.scenarios.model import Arrangement

SNAPSHOTS = {Arrangement.TOGETHER: snapshot.HEALTHY, Arrangement.APART: snapshot.APART}


class Rewinding:
    """Rewinds to a snapshot of the arrangement; the first time, and when that fails, it is made and captured anew.

    Not when the machines are torn apart: nothing that is made of those means anything.
    """

    begins_alike = True

    def __init__(self, control: Control, record: Record, tell: Callable[[str], None]) -> None:
        self._control, self._record, self._tell = control, record, tell
        self.rewind_seconds: float | None = None
        """How long the latest rewind took until the lab was healthy; None when the latest way was another."""
        self.rewind_failure = ""
        """Why the latest rewind did not lead there; empty where it did, and where there was nothing to rewind to."""

    def prepare(self, begins: Arrangement) -> None:
        name = SNAPSHOTS[begins]
        self.rewind_seconds, self.rewind_failure = None, ""
        if snapshot.exists(self._control, name):
            try:
                began = time.monotonic()
                rewound = snapshot.rewind(self._control, self._record, name)
                seconds = time.monotonic() - began
                if shown(rewound.status) is begins:
                    self.rewind_seconds = seconds
                    return
                self.rewind_failure = f"the snapshot {name!r} has other roles"
            except snapshot.TornApart:
                raise
            except LabError as error:
                self.rewind_failure = f"the rewind failed: {error.problem}"
            self._tell(self.rewind_failure)
            self._tell("restoring without it, and capturing anew")
        restore(self._control)
        arrange(self._control, begins)
        snapshot.take(self._control, self._record, name)


class AsItIs:
    """Leaves the lab as it is: the next run goes on from what the one before left."""

    rewind_seconds = None
    rewind_failure = ""
    begins_alike = False

    def prepare(self, begins: Arrangement) -> None:
        """Nothing: the run itself sees whether the roles lie as said."""


def roles(control: Control) -> tuple[str, str]:
    """Holder and primary, once the lab is healthy: right after a switchover a busy pgpool may not answer.

    Raises LabError when the lab does not become healthy.
    """
    status = wait_until_healthy(control)
    return status["vip"]["holders"][0], primaries(status)[0]


def shown(status: Mapping[str, Any]) -> Arrangement:
    """How the roles lie by the status document of a healthy lab."""
    return Arrangement.TOGETHER if status["vip"]["holders"] == primaries(status) else Arrangement.APART


def arrange(control: Control, begins: Arrangement) -> None:
    """Move the primary by a switchover until the roles of a healthy lab lie as said.

    Twice at most: one to the first node brings the virtual IP there as well.
    """
    targets: list[str] = []
    while True:
        holder, primary = roles(control)
        if (holder == primary) == (begins is Arrangement.TOGETHER):
            return
        if len(targets) == 2:
            raise LabError(f"after switchovers to {', '.join(targets)} it is not so that {begins}", "./lab status")
        others = [node.name for node in control.outputs.nodes if node.name != holder]
        targets.append(holder if begins is Arrangement.TOGETHER else others[0])
        control.agent(control.outputs.nodes[0], "switchover", targets[-1])
