"""What an interrupted update left in the private libvirt without recording it would block the next one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from typing import Literal

from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor.configuration import uri
from pgpool_lab.paths import LabPaths

VIRSH_SECONDS = 60
"""A command of virsh takes a second; a starved machine several."""

Kind = Literal["domain", "volume", "network", "pool"]

REMOVAL: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "domain": (
        ("destroy",),
        ("undefine", "--managed-save", "--snapshots-metadata", "--checkpoints-metadata", "--nvram"),
    ),
    "volume": (("vol-delete",),),
    "network": (("net-destroy",), ("net-undefine",)),
    "pool": (("pool-destroy",), ("pool-undefine",)),
}
"""How each kind of object is ended and forgotten, users before what they use."""


def unrecorded(found: Mapping[Kind, Iterable[str]], recorded: Iterable[str]) -> list[tuple[Kind, str]]:
    """Kind and identifier of every object that libvirt has and the engine's state has not, in the order of removal.

    `recorded` holds the ids of the state's resources: UUIDs, and for volumes their paths.
    """
    known = set(recorded)
    return [(kind, name) for kind in REMOVAL for name in found.get(kind, ()) if name not in known]


def parse_volumes(listing: str) -> list[str]:
    """Paths from the lines `NAME PATH` of `virsh -q vol-list`."""
    rows = [line.split(maxsplit=1) for line in listing.splitlines()]
    return [row[1].strip() for row in rows if len(row) == 2]


def forget_unrecorded(lab: LabPaths, recorded: Iterable[str]) -> list[tuple[Kind, str]]:
    """Remove machines, volumes, networks and pools that the engine's state does not know; returns what was removed."""
    pools = ask(lab, "pool-list", "--uuid").split()
    removed = unrecorded(
        {
            "domain": ask(lab, "list", "--all", "--uuid").split(),
            "volume": [path for pool in pools for path in parse_volumes(ask(lab, "vol-list", pool))],
            "network": ask(lab, "net-list", "--all", "--uuid").split(),
            "pool": ask(lab, "pool-list", "--all", "--uuid").split(),
        },
        recorded,
    )
    for kind, name in removed:
        *endings, forget = REMOVAL[kind]
        for verb, *options in endings:
            # What is not running cannot be ended; what cannot be ended cannot be forgotten either.
            virsh(lab, verb, name, *options)
        ask(lab, forget[0], name, *forget[1:])
    return removed


def refuse_paused(lab: LabPaths) -> None:
    """Raise LabError while machines stand still: the engine takes them for stopped and fails to start them.

    Whether they may go on is not known here: some may have gone back to a snapshot, and some not yet.
    """
    if paused := ask(lab, "list", "--state-paused", "--name").split():
        names = ", ".join(sorted(name.removeprefix(f"{lab.name}-") for name in paused))
        raise LabError(
            f"these machines are paused: {names}",
            f"after a fault ./lab fault heal --stack {lab.stack}, after a rewind that was broken off ./lab rewind "
            f"{lab.stack}; else ./lab run --stack {lab.stack} -- virsh resume {lab.domain('NODE')}",
        )


def virsh(lab: LabPaths, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one virsh command on the private libvirt, for at most a minute. Raises LabError when that is over."""
    command = ["virsh", "-q", "-c", uri(lab), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=VIRSH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise LabError(
            f"virsh {' '.join(arguments)}: libvirt did not answer within {VIRSH_SECONDS} s", "repeat the command"
        ) from None


def ask(lab: LabPaths, *arguments: str) -> str:
    """What a virsh command prints. Raises LabError when it fails."""
    done = virsh(lab, *arguments)
    if done.returncode != 0:
        raise LabError(
            f"virsh {' '.join(arguments)}: {done.stderr.strip()}",
            "./lab down removes the lab with all its data, ./lab up builds it anew",
        )
    return done.stdout
