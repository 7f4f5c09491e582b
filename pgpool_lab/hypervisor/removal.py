"""Taking a private libvirt away, from whatever state it is in."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time

from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor import namespace
from pgpool_lab.paths import LabPaths

GRACE_SECONDS = 10


def stop(lab: LabPaths) -> None:
    """End every process of the lab, remove its namespace and libvirt's folders. Does nothing where nothing is.

    Machines are ended with their processes rather than through the daemon, which may be dead or hang. The mounts are
    in the processes' own mount namespace and go with them.
    """
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + GRACE_SECONDS
        left = others(lab)
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, sign)
        while others(lab) and time.monotonic() < deadline:
            time.sleep(0.1)
    if left := others(lab):
        raise LabError(f"processes {left} of lab {lab.name} cannot be ended", "look at them with ps, then ./lab down")
    namespace.delete(lab)
    shutil.rmtree(lab.runtime, ignore_errors=True)
    shutil.rmtree(lab.libvirt, ignore_errors=True)


def others(lab: LabPaths) -> list[int]:
    """Processes in the namespace, this one left out: `lab` may itself run inside."""
    return [process for process in namespace.processes(lab) if process not in (os.getpid(), os.getppid())]
