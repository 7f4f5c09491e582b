"""What this machine has and lacks, check by check, each with the command that mends it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from pgpool_lab import room, toolchain
from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor.probe import probe_domain_type
from pgpool_lab.hypervisor.resources import ENGINE_MIB, Demand, available_memory_mib, demands
from pgpool_lab.image.sources import debian_sources
from pgpool_lab.machine.installation import by_hand
from pgpool_lab.machine.packages import Requirement, missing
from pgpool_lab.paths import PROJECT, cache_directory

MEMORY_MIB = 2 * 768 + ENGINE_MIB
"""A lab of two nodes, and what runs it."""

PYTHON = (3, 11)


@dataclass(frozen=True)
class Check:
    """One finding; `mend` is what to do, empty when nothing needs to be done."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


def doctor() -> list[Check]:
    """All checks, in the order in which the lab needs what they look at. Each ends within seconds."""
    return [
        processor_check(platform.machine()),
        python_check(sys.version_info[:2]),
        root_check(os.geteuid() == 0, shutil.which("sudo") is not None),
        package_check(missing()),
        namespace_check(),
        acceleration_check(),
        memory_check(available_memory_mib()),
        disk_check(demands(new_lab(os.environ.get("LAB_TOOLCHAIN", "")))),
        toolchain_check(os.environ.get("LAB_TOOLCHAIN", "")),
        source_check(),
    ]


def processor_check(architecture: str) -> Check:
    """The nodes' image and their machine are x86-64's."""
    fits = architecture == "x86_64"
    return Check("processor", fits, architecture, "" if fits else "a machine with an x86-64 processor")


def python_check(version: tuple[int, ...]) -> Check:
    wanted = ".".join(map(str, PYTHON))
    return Check(
        "Python",
        version >= PYTHON,
        ".".join(map(str, version)),
        "" if version >= PYTHON else f"install Python {wanted} or later",
    )


def root_check(is_root: bool, has_sudo: bool) -> Check:
    detail = "root" if is_root else "through sudo" if has_sudo else "neither root nor sudo"
    return Check("root", is_root or has_sudo, detail, "" if is_root or has_sudo else "run ./lab as root")


def package_check(lacking: list[Requirement]) -> Check:
    if not lacking:
        return Check("system packages", True, "complete")
    detail = "; ".join(f"{item.proof}: {item.reason}" for item in lacking)
    return Check("system packages", False, f"missing: {detail}", f"./lab up, or: {by_hand(lacking)}")


def namespace_check() -> Check:
    """Whether namespaces and mounts can be made, which a container may not allow."""
    name = "namespaces"
    if os.geteuid() != 0:
        return Check(name, True, "not checked: only root can")
    trial = subprocess.run(
        ["unshare", "--net", "--mount", "mount", "--bind", "/etc", "/etc"], capture_output=True, check=False, text=True
    )
    if trial.returncode == 0:
        return Check(name, True, "network and mount namespaces can be made")
    return Check(name, False, trial.stderr.strip(), "in a container: give it SYS_ADMIN and NET_ADMIN")


def acceleration_check() -> Check:
    """Emulation is slow and works: that is no failure."""
    name = "acceleration"
    if shutil.which("qemu-system-x86_64") is None:
        return Check(name, True, "not checked: QEMU is not installed yet")
    if probe_domain_type() == "kvm":
        return Check(name, True, "KVM runs a probe guest")
    return Check(name, True, "no usable KVM: the nodes are emulated, which takes several times as long")


def memory_check(available_mib: int) -> Check:
    ok = available_mib >= MEMORY_MIB
    mend = "" if ok else f"free {MEMORY_MIB - available_mib} MiB: end programs, or ./lab down on another stack"
    return Check("memory", ok, f"{available_mib} MiB available, {MEMORY_MIB} MiB needed for two nodes", mend)


def new_lab(wanted: str) -> list[room.Need]:
    """What a lab of two nodes still takes of the disk, its image included; `wanted` is LAB_TOOLCHAIN."""
    try:
        tools = toolchain.needs(wanted)
    except LabError:
        # The check of the toolchain says what is wrong with it.
        tools = []
    return [*tools, room.for_image(cache_directory()), room.for_disks(PROJECT, 2, room.ANOTHER_CHECKOUT)]


def disk_check(asked: Sequence[Demand]) -> Check:
    """Room on every file system that a new lab would use."""
    detail = "; ".join(str(demand) for demand in asked)
    lacking = [demand.way_out for demand in asked if not demand.fits]
    return Check("disk", not lacking, detail, "; ".join(lacking))


def toolchain_check(wanted: str) -> Check:
    """Where the Pulumi engine comes from, or would; `wanted` is LAB_TOOLCHAIN."""
    name = "toolchain"
    if there := toolchain.kept(wanted):
        return Check(name, True, f"made before: {there.bin}")
    try:
        choice = toolchain.choose(wanted)
    except LabError as error:
        return Check(name, False, error.problem, error.remedy)
    if wanted == "download" and not toolchain.site_answers():
        return Check(
            name, False, f"LAB_TOOLCHAIN=download, and {toolchain.INSTALLER} does not answer", "unset LAB_TOOLCHAIN"
        )
    return Check(name, True, f"{choice.source}: {choice.reason}")


def source_check() -> Check:
    """Whether this machine's package sources can supply the base image."""
    try:
        debian_sources("debian12", "deb")
    except LabError as error:
        return Check("image packages", False, error.problem, error.remedy)
    return Check("image packages", True, "this machine's apt sources have Debian 12")
