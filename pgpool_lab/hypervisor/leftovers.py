"""What an interrupted update left in libvirt without recording it would block the next one."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Mapping
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
    "pool": (("pool-destroy",), ("pool-delete",), ("pool-undefine",)),
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


def forget_unrecorded(
    lab: LabPaths, recorded: Iterable[str], machines: Iterable[str], at: str
) -> list[tuple[Kind, str]]:
    """Remove the lab's machines, volumes, network and pool that the engine's state does not know; returns what was.

    From the libvirt `at`, which others may use as well. `machines` are the names of the lab's.
    """
    active = {lab.name} & set(ask(at, "pool-list", "--name").split())
    removed = unrecorded(
        {
            "domain": identifiers(at, "list", "domuuid", {lab.domain(machine) for machine in machines}),
            "volume": [path for pool in active for path in parse_volumes(ask(at, "vol-list", pool))],
            "network": identifiers(at, "net-list", "net-uuid", {lab.name}),
            "pool": identifiers(at, "pool-list", "pool-uuid", {lab.name}),
        },
        recorded,
    )
    for kind, name in removed:
        *endings, forget = REMOVAL[kind]
        for verb, *options in endings:
            # What is not running cannot be ended; what cannot be ended cannot be forgotten either.
            virsh(at, verb, name, *options)
        ask(at, forget[0], name, *forget[1:])
    return removed


def identifiers(at: str, listing: str, of_name: str, wanted: Collection[str]) -> list[str]:
    """UUIDs of those objects of one kind that have one of the names."""
    names = ask(at, listing, "--all", "--name").split()
    return [ask(at, of_name, name).strip() for name in names if name in wanted]


def refuse_paused(lab: LabPaths) -> None:
    """Raise LabError while machines stand still: the engine takes them for stopped and fails to start them.

    Whether they may go on is not known here: some may have gone back to a snapshot, and some not yet.
    """
    if paused := ask(uri(lab), "list", "--state-paused", "--name").split():
        names = ", ".join(sorted(name.removeprefix(f"{lab.name}-") for name in paused))
        raise LabError(
            f"these machines are paused: {names}",
            f"after a fault ./lab fault heal --stack {lab.stack}, after a rewind that was broken off ./lab rewind "
            f"{lab.stack}; else ./lab run --stack {lab.stack} -- virsh resume {lab.domain('NODE')}",
        )


def virsh(at: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one virsh command on a libvirt, for at most a minute. Raises LabError when that is over."""
    command = ["virsh", "-q", "-c", at, *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=VIRSH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise LabError(
            f"virsh {' '.join(arguments)}: libvirt did not answer within {VIRSH_SECONDS} s", "repeat the command"
        ) from None


def ask(at: str, *arguments: str) -> str:
    """What a virsh command prints. Raises LabError when it fails."""
    done = virsh(at, *arguments)
    if done.returncode != 0:
        raise LabError(
            f"virsh {' '.join(arguments)}: {done.stderr.strip()}",
            "./lab down removes the lab with all its data, ./lab up builds it anew",
        )
    return done.stdout
