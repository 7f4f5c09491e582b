"""What is installed, and what the doctor says of a machine."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from pgpool_lab import machine, room, toolchain
from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor.resources import Demand
from pgpool_lab.machine import installation
from pgpool_lab.machine.checks import (
    MEMORY_MIB,
    disk_check,
    memory_check,
    new_lab,
    package_check,
    processor_check,
    python_check,
    root_check,
    toolchain_check,
)
from pgpool_lab.machine.installation import parse_known
from pgpool_lab.machine.packages import REQUIREMENTS, Requirement, choose, has, missing
from pgpool_lab.paths import PROJECT, cache_directory
from pgpool_lab.room import Need
from pgpool_lab.toolchain import Toolchain, cached, choice, installed
from pgpool_lab.toolchain.installed import Installed

POLICY = """\
xsltproc:
  Installed: (none)
  Candidate: 1.1.35-1
  Version table:
     1.1.35-1 500
libvirt-daemon-driver-network:
  Installed: (none)
  Candidate: (none)
  Version table:
"""
DRIVER = Requirement("network.so", ("libvirt-daemon-driver-network", "libvirt-daemon"), "networks")
DAEMON = Requirement("libvirtd", ("libvirt-daemon",), "the daemon")


def test_every_requirement_has_a_package_and_a_reason() -> None:
    assert all(requirement.packages and requirement.reason for requirement in REQUIREMENTS)
    assert not any("libvirt-daemon-system" in requirement.packages for requirement in REQUIREMENTS)


def test_missing_is_what_has_no_proof() -> None:
    assert missing((DRIVER, DAEMON), {"libvirtd"}.__contains__) == [DRIVER]


@pytest.mark.parametrize("absent", ["", "arping"])
def test_a_lab_built_elsewhere_takes_the_programs_that_ask_it(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = [each for each in REQUIREMENTS if each.proof == absent]
    monkeypatch.setattr(installation, "missing", lambda required: [each for each in required if each in lacking])
    with pytest.raises(LabError, match="not installed: arping") if absent else nullcontext():
        machine.check_asking()


def test_a_proof_is_a_program_or_a_pattern_of_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "some-program"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert has("some-program")
    assert has("sh"), "the system's folders are searched whatever PATH holds"
    assert has(f"{tmp_path}/*-program")
    assert not has(f"{tmp_path}/*.so")
    assert not has("no-such-program")


def test_known_packages_have_a_candidate() -> None:
    assert parse_known(POLICY) == {"xsltproc"}


def test_the_first_package_that_apt_knows_is_chosen_once() -> None:
    assert choose((DRIVER, DAEMON), {"libvirt-daemon"}.__contains__) == (["libvirt-daemon"], [])
    assert choose((DRIVER,), {"libvirt-daemon-driver-network"}.__contains__)[0] == ["libvirt-daemon-driver-network"]
    assert choose((DRIVER, DAEMON), set[str]().__contains__) == ([], ["libvirt-daemon"])


class Apt:
    """Stands for apt: records what it is asked, and fails as told."""

    def __init__(self, known: list[set[str]], installs: list[bool]) -> None:
        self.known, self.installs = known, installs
        self.asked: list[tuple[str, ...]] = []

    def known_packages(self, _: object) -> set[str]:
        return self.known[min(len([call for call in self.asked if call[0] == "update"]), len(self.known) - 1)]

    def run(self, verb: str, *arguments: str, log: Path, title: str) -> bool:
        self.asked.append((verb, *arguments))
        return self.installs.pop(0) if verb == "install" else False


def install_with(apt: Apt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Install DAEMON with a stand-in for apt; it is there after an installation that worked."""
    answers = iter([[DAEMON], []])
    monkeypatch.setattr(installation, "missing", lambda *_: next(answers))
    monkeypatch.setattr(installation, "known_packages", apt.known_packages)
    monkeypatch.setattr(installation, "apt", apt.run)
    monkeypatch.setattr(installation, "authorise", lambda _: None)
    monkeypatch.setattr("shutil.which", lambda name, **_: f"/usr/bin/{name}")
    return machine.install(tmp_path / "apt.log")


def test_the_index_is_not_read_when_the_packages_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt([{"libvirt-daemon"}], [True])
    assert install_with(apt, tmp_path, monkeypatch) == ["libvirt-daemon"]
    assert apt.asked == [("install", "libvirt-daemon")]


def test_a_failing_foreign_repository_is_tolerated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt([set(), {"libvirt-daemon"}], [True])
    assert install_with(apt, tmp_path, monkeypatch) == ["libvirt-daemon"]
    assert apt.asked == [("update",), ("install", "libvirt-daemon")]


def test_an_old_index_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt([{"libvirt-daemon"}], [False, True])
    install_with(apt, tmp_path, monkeypatch)
    assert [call[0] for call in apt.asked] == ["install", "update", "install"]


def test_an_unknown_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt([set()], [])
    with pytest.raises(LabError, match="have no libvirt-daemon"):
        install_with(apt, tmp_path, monkeypatch)


def test_a_distribution_without_apt_is_told_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "missing", lambda: [DAEMON])
    monkeypatch.setattr("shutil.which", lambda name, **_: None)
    with pytest.raises(LabError, match=r"libvirtd \(the daemon\)") as caught:
        machine.install(tmp_path / "apt.log")
    assert "libvirt-daemon" in caught.value.remedy


def test_without_root_and_sudo_the_purpose_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda name, **_: None)
    with pytest.raises(LabError, match="root is needed to install"):
        installation.authorise("to install")


ROOM = Demand((Need("disks", 10, Path("/project")),), 10)
NO_ROOM = Demand((Need("image", 10, Path("/cache"), "move the cache"),), 9)


def test_failed_checks_say_how_to_mend_them() -> None:
    failed = [
        processor_check("aarch64"),
        python_check((3, 9)),
        root_check(False, False),
        package_check([DAEMON]),
        memory_check(MEMORY_MIB - 1),
        disk_check([ROOM, NO_ROOM]),
    ]
    assert all(not check.ok and check.mend for check in failed)
    assert failed[3].detail == "missing: libvirtd: the daemon"
    assert "/project" in failed[-1].detail and "/cache" in failed[-1].detail
    assert failed[-1].mend == "remove files from that file system, or move the cache"


def test_passed_checks_need_no_mending() -> None:
    passed = [
        processor_check("x86_64"),
        python_check((3, 12)),
        root_check(False, True),
        package_check([]),
        memory_check(MEMORY_MIB),
        disk_check([ROOM]),
    ]
    assert all(check.ok and not check.mend for check in passed)


def test_the_doctor_asks_for_the_room_that_up_asks_for_and_the_readme_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    tools = room.for_toolchain(cache_directory())
    go = room.for_go(Path("/go"), Path("/cache/go-build"))
    monkeypatch.setattr(toolchain, "needs", lambda setting: [tools, *go])
    needs = new_lab("")
    assert {need.folder for need in needs} == {Path("/cache/pgpool-lab"), *(need.folder for need in go), PROJECT}
    readme = " ".join((PROJECT / "README.md").read_text().split())
    everything = sum(need.mib for need in needs)
    whole, without_go = (mib / 1024 for mib in (everything, everything - sum(need.mib for need in go)))
    assert f"{whole:g} GiB of free disk ({without_go:g} GiB where the toolchain need not be built)" in readme


def test_a_toolchain_that_cannot_be_had_is_told_by_its_own_check() -> None:
    assert [need.what for need in new_lab("internet")] == ["the nodes' image", "the nodes' disks"]


MADE = Toolchain(Path("/cache/bin"), Path("/cache"), "build")


@pytest.mark.parametrize(
    ("wanted", "made", "answers", "ok", "detail"),
    [
        ("", None, False, True, "build: this machine lacks"),
        ("", MADE, False, True, "made before: /cache/bin"),
        ("build", MADE, False, True, "build: LAB_TOOLCHAIN=build"),
        ("path", MADE, True, False, "this machine lacks pulumi"),
        ("download", MADE, True, True, "download: LAB_TOOLCHAIN=download"),
        ("download", None, False, False, "get.pulumi.com/ does not answer"),
        ("Build", None, False, False, "LAB_TOOLCHAIN=Build"),
    ],
)
def test_the_toolchain_is_that_which_a_command_would_take(
    wanted: str, made: Toolchain | None, answers: bool, ok: bool, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "find", lambda: Installed(None, Path("/none"), ("pulumi",)))
    monkeypatch.setattr(cached, "made", lambda: made)
    monkeypatch.setattr(toolchain, "site_answers", lambda: answers)
    monkeypatch.setattr(toolchain, "choose", partial(choice.choose, find=installed.find, reachable=lambda: answers))
    found = toolchain_check(wanted)
    assert found.ok is ok
    assert detail in found.detail
    assert bool(found.mend) is not ok


def test_the_doctor_looks_at_everything_on_this_machine() -> None:
    names = [check.name for check in machine.doctor()]
    assert names == [
        "processor",
        "Python",
        "root",
        "system packages",
        "namespaces",
        "acceleration",
        "memory",
        "disk",
        "toolchain",
        "image packages",
    ]
