"""A whole toolchain in the cache, made once for every lab of this user."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.paths import PROJECT, cache_directory
from pgpool_lab.progress import console
from pgpool_lab.room import Need, for_go, for_toolchain
from pgpool_lab.toolchain import build, download, installed, versions
from pgpool_lab.toolchain.choice import Choice, Source, choose
from pgpool_lab.toolchain.locking import locked

MODULES = PROJECT / "toolchain"
KEY_LENGTH = 16


@dataclass(frozen=True)
class Toolchain:
    """A CLI with its language host and plugins.

    `bin` holds `pulumi` and the Python language host; `plugin_home` holds `plugins/` as a PULUMI_HOME does.
    """

    bin: Path
    plugin_home: Path
    source: Source


def prepare(choice: Choice) -> Toolchain:
    """Make the chosen toolchain unless it is there already. Raises LabError naming the log when a step fails."""
    if choice.source == "path":
        return _from_path()
    target = place(choice.source)
    root = target.parent
    toolchain = Toolchain(target / "bin", target, choice.source)
    if target.exists():
        return toolchain
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


def take(setting: str | None, *, named: bool = False) -> Toolchain:
    """The toolchain for a value of LAB_TOOLCHAIN, made unless it is there.

    The choice is told before anything is made; `named`: in any case.
    """
    choice = chosen(setting)
    there = is_there(choice.source)
    if named or not there:
        console.print(line(choice, there), markup=False, soft_wrap=True)
    return prepare(choice)


def line(choice: Choice, there: bool) -> str:
    """What a user is told: the source, why it was taken, and whether it was made before."""
    before = f"; made before: {place(choice.source)}" if there and choice.source != "path" else ""
    return f"toolchain: {choice.source} ({choice.reason}{before})"


def chosen(setting: str | None) -> Choice:
    """The choice for a value of LAB_TOOLCHAIN; the network is not asked where that is not needed."""
    found = kept(setting)
    return Choice(found.source, "nothing that fits is on PATH") if found else choose(setting)


def is_there(source: Source) -> bool:
    """Whether nothing has to be made for a toolchain of this source."""
    return source == "path" or place(source).exists()


def needs(setting: str | None) -> list[Need]:
    """Room that the toolchain still takes; none where it is there.

    Raises LabError for a LAB_TOOLCHAIN that cannot be met.
    """
    source = chosen(setting).source
    if is_there(source):
        return []
    # What an earlier build compiled is in Go's caches; a finished one has no ending to its name.
    compiled = any(cache_directory().glob(f"toolchain/build-{'?' * KEY_LENGTH}/bin"))
    own = for_toolchain(cache_directory())
    return [own, *for_go(*build.go_caches(os.environ))] if source == "build" and not compiled else [own]


def kept(setting: str | None) -> Toolchain | None:
    """One that was made before, where it is taken without asking the network: nothing else is wanted or there."""
    return made() if not setting and installed.find().missing else None


def made() -> Toolchain | None:
    """The toolchain that was made before."""
    sources: tuple[Source, ...] = ("download", "build")
    for source in sources:
        target = place(source)
        if target.exists():
            return Toolchain(target / "bin", target, source)
    return None


def place(source: Source) -> Path:
    """Folder of a toolchain that is made, whether or not it is there."""
    return cache_directory() / "toolchain" / f"{source}-{key(source)}"


def key(source: str, modules: Path = MODULES) -> str:
    """What the result depends on: versions, machine, and for a build every file of the Go modules."""
    digest = hashlib.sha256(f"{versions.PULUMI} {versions.PLUGINS} {platform.machine()}".encode())
    if source == "build":
        for file in sorted(path for path in modules.rglob("*") if path.is_file()):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(modules)} {content}\n".encode())
    return digest.hexdigest()[:KEY_LENGTH]


def _from_path() -> Toolchain:
    found = installed.find()
    if found.bin is None or found.missing:
        raise LabError("this machine's Pulumi lacks " + "; ".join(found.missing), "see the README's `LAB_TOOLCHAIN`")
    return Toolchain(found.bin, found.plugin_home, "path")
