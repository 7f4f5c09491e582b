"""Installation of missing system packages, on Debian and its derivatives."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.machine.packages import ASKING, REQUIREMENTS, Requirement, choose, missing
from pgpool_lab.progress import console, foreground, step, tail

ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    # Ubuntu's needrestart would restart services that have nothing to do with the lab.
    "NEEDRESTART_SUSPEND": "1",
    "LC_ALL": "C.UTF-8",
}

OPTIONS = (
    "--yes",
    "--no-install-recommends",
    # Another apt, for example the automatic updates, may be at work.
    "--option=DPkg::Lock::Timeout=300",
    "--option=Dpkg::Use-Pty=0",
)


def by_hand(requirements: Sequence[Requirement]) -> str:
    """The command that installs everything, for people and for error messages."""
    known = known_packages(requirements) if shutil.which("apt-cache") else set()
    packages, unknown = choose(requirements, known.__contains__)
    return "sudo apt-get install --no-install-recommends " + " ".join([*packages, *unknown])


def parse_known(policy: str) -> set[str]:
    """Names of the packages that `apt-cache policy` has a version to install of."""
    known: set[str] = set()
    name = ""
    for line in policy.splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":")
        elif line.startswith("  Candidate:") and "(none)" not in line:
            known.add(name)
    return known


def known_packages(requirements: Sequence[Requirement]) -> set[str]:
    """Those of the requirements' packages that this machine's package index has."""
    names = dict.fromkeys(package for requirement in requirements for package in requirement.packages)
    asked = subprocess.run(
        ["apt-cache", "policy", *names], capture_output=True, text=True, check=False, env=os.environ | ENVIRONMENT
    )
    return parse_known(asked.stdout)


def install(log: Path) -> list[str]:
    """Install what is missing and return the packages' names. Does nothing on a machine that has everything.

    The output of apt goes to `log`. Raises LabError where apt is missing, refuses, or does not know a package.
    """
    needed = missing()
    if not needed:
        return []
    if shutil.which("apt-get") is None:
        lacking = "\n".join(f"  {requirement.proof} ({requirement.reason})" for requirement in needed)
        raise LabError(
            f"{distribution()} has no apt-get, and these are missing:\n{lacking}",
            "install what your distribution calls " + ", ".join(choose(needed, lambda package: True)[0]),
        )
    packages, unknown = choose(needed, known_packages(needed).__contains__)
    authorise(f"to install system packages: {', '.join([*packages, *unknown])}")
    log.parent.mkdir(parents=True, exist_ok=True)
    if unknown:
        # A repository of somebody else's that fails does not matter, as long as the packages are known afterwards.
        apt("update", log=log, title="Reading the package index")
        packages, unknown = choose(needed, known_packages(needed).__contains__)
    if unknown:
        raise LabError(
            f"this machine's package sources have no {', '.join(unknown)}; the end of {log}:\n{tail(log)}",
            f"correct the sources in /etc/apt, then repeat, or: {by_hand(needed)}",
        )
    title = f"Installing {len(packages)} system packages"
    if not apt("install", *packages, log=log, title=title):
        # An installation was broken off, or an old index names versions that the archive has no longer.
        as_root("dpkg", "--configure", "-a", log=log, title="Ending what an interrupted installation began")
        apt("update", log=log, title="Reading the package index again")
        if not apt("install", *packages, log=log, title=title):
            raise LabError(f"apt-get install failed; the end of {log}:\n{tail(log)}", by_hand(needed))
    if still := missing(needed):
        raise LabError(
            f"still missing after the installation: {', '.join(item.proof for item in still)}",
            f"look into {log}",
        )
    return packages


def check_asking() -> None:
    """Raise LabError that names what this machine lacks to ask a lab that was built elsewhere."""
    if lacking := missing(each for each in REQUIREMENTS if each.proof in ASKING):
        what = "; ".join(f"{each.proof} ({each.reason})" for each in lacking)
        raise LabError(f"not installed: {what}", by_hand(lacking))


def authorise(purpose: str) -> None:
    """Ask for the password where this process is not root, saying what for. Raises LabError when it is refused."""
    if os.geteuid() == 0:
        return
    if shutil.which("sudo") is None:
        raise LabError(f"root is needed {purpose}, and sudo is not installed", "repeat the command as root")
    console.print(f"Root is needed {purpose}")
    if subprocess.run(["sudo", "--validate"], check=False).returncode != 0:
        raise LabError(f"root is needed {purpose}, and sudo refused", "repeat the command as root")


def apt(verb: str, *arguments: str, log: Path, title: str) -> bool:
    """Run apt-get with its output in `log`; returns whether it succeeded."""
    return as_root("apt-get", *OPTIONS, verb, *arguments, log=log, title=title)


def as_root(*words: str, log: Path, title: str) -> bool:
    """Run a program of the package system as root with its output in `log`; returns whether it succeeded.

    It stays in this terminal's session, in which sudo remembers the password.
    """
    settings = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    command = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    command += ["env", *settings, *words]
    with step(title), log.open("ab") as output:
        return foreground(command, output=output) == 0


def distribution() -> str:
    """This distribution's name, as os-release(5) gives it."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "this distribution")
    except OSError:
        return "this system"
