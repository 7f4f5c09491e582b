"""A whole toolchain in the cache, made once for every lab of this user."""

from __future__ import annotations

import hashlib
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.paths import PROJECT, cache_directory
from pgpool_lab.progress import console
from pgpool_lab.toolchain import build, download, installed, versions
from pgpool_lab.toolchain.choice import Choice, choose
from pgpool_lab.toolchain.locking import locked

MODULES = PROJECT / "toolchain"


@dataclass(frozen=True)
class Toolchain:
    """A CLI with its language host and plugins.

    `bin` holds `pulumi` and the Python language host; `plugin_home` holds `plugins/` as a PULUMI_HOME does.
    """

    bin: Path
    plugin_home: Path
    source: str


def prepare(choice: Choice) -> Toolchain:
    """Make the chosen toolchain unless it is there already. Raises LabError naming the log when a step fails."""
    if choice.source == "path":
        return _from_path()
    root = cache_directory() / "toolchain"
    target = root / f"{choice.source}-{key(choice.source)}"
    toolchain = Toolchain(target / "bin", target, choice.source)
    if target.exists():
        return toolchain
    console.print(f"toolchain: {choice.source} ({choice.reason})")
    with locked(root, target.name):
        if not target.exists():
            # What an interrupted run left. Go's own cache remembers what was compiled.
            partial = root / f"{target.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            log = root / f"{target.name}.log"
            log.unlink(missing_ok=True)
            if choice.source == "build":
                build.into(partial, MODULES, log)
            else:
                download.into(partial, log)
            partial.rename(target)
    return toolchain


def take(setting: str | None) -> Toolchain:
    """The toolchain for a value of LAB_TOOLCHAIN."""
    return kept(setting) or prepare(choose(setting))


def kept(setting: str | None) -> Toolchain | None:
    """One that was made before, where it is taken without asking the network: nothing else is wanted or there."""
    return made() if not setting and installed.find().missing else None


def made() -> Toolchain | None:
    """The toolchain that was made before."""
    for source in ("download", "build"):
        target = cache_directory() / "toolchain" / f"{source}-{key(source)}"
        if target.exists():
            return Toolchain(target / "bin", target, source)
    return None


def key(source: str, modules: Path = MODULES) -> str:
    """What the result depends on: versions, machine, and for a build every file of the Go modules."""
    digest = hashlib.sha256(f"{versions.PULUMI} {versions.PLUGINS} {platform.machine()}".encode())
    if source == "build":
        for file in sorted(path for path in modules.rglob("*") if path.is_file()):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(modules)} {content}\n".encode())
    return digest.hexdigest()[:16]


def _from_path() -> Toolchain:
    found = installed.find()
    if found.bin is None or found.missing:
        raise LabError("this machine's Pulumi lacks " + "; ".join(found.missing), "see the README's `LAB_TOOLCHAIN`")
    return Toolchain(found.bin, found.plugin_home, "path")
