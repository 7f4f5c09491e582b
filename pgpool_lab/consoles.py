"""What the machines' consoles say: the only witness of one that never answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pgpool_lab.hypervisor.configuration import folders
from pgpool_lab.paths import LabPaths
from pgpool_lab.progress import tail

LOG_FOLDER = Path("/var/log/libvirt/qemu")
"""Where libvirt keeps what a machine's console printed (components/node/machine.xsl), as its daemon sees it."""

READY = "-ready"
"""How the name of the program's step ends that waits until a node takes logins."""

LINES = 12


def never_ready(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """From the engine's event log: the machines that an update waited for in vain."""
    failed = (str(event["resOpFailedEvent"]["metadata"]["urn"]) for event in events if "resOpFailedEvent" in event)
    names = (urn.rpartition("::")[2] for urn in failed)
    return [name.removesuffix(READY) for name in names if name.endswith(READY)]


def log(lab: LabPaths, machine: str, system: bool) -> Path:
    """The file that keeps a machine's console, in the user's libvirt (`system`) or in the lab's own."""
    folder = LOG_FOLDER if system else folders(lab)[str(LOG_FOLDER.parent)] / LOG_FOLDER.name
    return folder / f"{lab.domain(machine)}-console.log"


def last_words(lab: LabPaths, machines: Iterable[str], system: bool) -> str:
    """The last lines of the machines' consoles, each below the name of the file that has more."""
    files = [log(lab, machine, system) for machine in machines]
    return "\n".join(f"the end of {file}:\n{tail(file, LINES) or '(nothing)'}" for file in files)
