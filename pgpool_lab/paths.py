"""Where everything is kept: per stack below `.lab/STACK` of the checkout, shared results in the user's cache."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.errors import LabError

PROJECT = Path(__file__).resolve().parent.parent


def cache_directory() -> Path:
    """Content-addressed results shared by all labs of this user (XDG base directory specification).

    Raises LabError for a relative path, which that specification forbids, and Go refuses.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    if base and not Path(base).is_absolute():
        raise LabError(f"XDG_CACHE_HOME: {base} is a relative path", "give an absolute one, or unset it")
    return (Path(base) if base else Path.home() / ".cache") / "pgpool-lab"


def given_file(where: str) -> Path:
    """A file that a setting names: in the checkout unless it is absolute, from wherever a command was called."""
    return PROJECT / where


def checkout_hash(project: Path = PROJECT) -> str:
    """Eight hexadecimal digits that tell one checkout's labs from another's."""
    return hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class LabPaths:
    """The folders and names that belong to one stack of one checkout. Raises LabError for a name that is none."""

    stack: str
    project: Path = PROJECT

    def __post_init__(self) -> None:
        # It becomes part of folders, which `lab down` removes: `..` would be the checkout itself.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.stack):
            raise LabError(
                f"the stack's name {self.stack!r} is none: it takes letters, digits, '-', '_' and '.'",
                "give NAME of a file stacks/Pulumi.NAME.yaml",
            )

    @property
    def name(self) -> str:
        """Name of the namespace, and prefix of everything that is visible outside it."""
        return f"pgpool-lab-{checkout_hash(self.project)}-{self.stack}"

    @property
    def bridge(self) -> str:
        """Name of the bridge: Linux allows 15 characters."""
        return f"pgl{hashlib.sha256(self.name.encode()).hexdigest()[:10]}"

    def domain(self, node: str) -> str:
        """Name of a node's virtual machine."""
        return f"{self.name}-{node}"

    @property
    def root(self) -> Path:
        return self.project / ".lab" / self.stack

    @property
    def lock(self) -> Path:
        """Who changes the lab now. Beside its folder, which `lab down` removes; no stack's name begins with a dot."""
        return self.root.with_name(f".{self.stack}.lock")

    @property
    def runtime(self) -> Path:
        """Sockets and process ids: below /run, since a Unix socket's path ends at 107 bytes."""
        return Path("/run") / self.name

    @property
    def seeds(self) -> Path:
        """What the machines are told on their first boot."""
        return self.root / "seeds"

    @property
    def backend(self) -> Path:
        """Folder of the Pulumi state."""
        return self.root / "backend"

    @property
    def passphrase(self) -> Path:
        return self.root / "passphrase"

    @property
    def stack_file(self) -> Path:
        """The committed, hand-written settings of the stack."""
        return self.project / "stacks" / f"Pulumi.{self.stack}.yaml"

    @property
    def libvirt(self) -> Path:
        """Folders of the private libvirt: configuration, disks, logs."""
        return self.root / "libvirt"

    @property
    def pool(self) -> Path:
        """Folder of the machines' disks, as libvirt's daemon sees it: for one of the lab's own it is in `libvirt`."""
        return Path("/var/lib/libvirt/images") / self.name

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def faults(self) -> Path:
        """Record of the faults that are in effect."""
        return self.root / "faults" / "injected.json"

    @property
    def operator_key(self) -> Path:
        """Private ssh key with which the operator enters the nodes."""
        return self.root / "operator_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.root / "known_hosts"


def is_of(handle: int, path: Path) -> bool:
    """Whether the open file is still the one that has the name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
