"""What a command refuses, it refuses before it has made anything; and it says what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pgpool_lab import hypervisor, machine, toolchain
from pgpool_lab.engine import Engine, has_resources
from pgpool_lab.errors import LabError
from pgpool_lab.lab import Lab
from pgpool_lab.paths import PROJECT, LabPaths

ELSEWHERE = "qemu+tcp://127.0.0.1:1/system"


class TookToolchain(Exception):
    """All checks are behind, and what follows would make something."""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabPaths:
    """A checkout with one stack, on a machine that has room for it; whoever asks for a toolchain has gone too far."""

    def take(setting: str | None) -> None:
        raise TookToolchain

    monkeypatch.setattr(toolchain, "take", take)
    monkeypatch.setattr(machine, "install", lambda log: [])
    monkeypatch.setattr(hypervisor, "check_memory", lambda mib: None)
    monkeypatch.setattr(hypervisor, "check_disk", lambda mib, folder: None)
    paths = LabPaths("two-node", tmp_path)
    paths.stack_file.parent.mkdir()
    shutil.copyfile(PROJECT / "stacks" / "Pulumi.two-node.yaml", paths.stack_file)
    return paths


def write_state(paths: LabPaths, resources: Sequence[object]) -> None:
    """What the engine's backend of files keeps of a stack."""
    file = paths.backend / ".pulumi" / "stacks" / "pgpool-lab" / f"{paths.stack}.json"
    file.parent.mkdir(parents=True)
    latest = {"resources": list(resources)} if resources else {}
    file.write_text(json.dumps({"version": 3, "checkpoint": {"stack": paths.stack, "latest": latest}}))


def elsewhere(paths: LabPaths) -> None:
    with paths.stack_file.open("a") as stream:
        stream.write(f"  pgpool-lab:libvirt_uri: {ELSEWHERE}\n")


def test_the_checks_end_where_something_would_be_made(paths: LabPaths) -> None:
    for command in (Lab(paths).up, Lab(paths).engine_for_run):
        with pytest.raises(TookToolchain):
            command()
    assert not paths.root.exists()


@pytest.mark.parametrize("check", ["check_memory", "check_disk"])
def test_a_machine_without_room_is_left_as_it_is(check: str, paths: LabPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise LabError("no room")

    monkeypatch.setattr(hypervisor, check, full)
    with pytest.raises(LabError, match="no room"):
        Lab(paths).up()
    assert not paths.root.exists()


@pytest.mark.parametrize(("resources", "looks"), [([], True), ([{"urn": "urn:pulumi:x"}], False)])
def test_room_is_looked_for_unless_the_lab_has_taken_it(
    resources: list[object], looks: bool, paths: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    monkeypatch.setattr(hypervisor, "check_memory", looked.append)
    write_state(paths, resources)
    with pytest.raises(TookToolchain):
        Lab(paths).up()
    assert bool(looked) == looks


@pytest.mark.parametrize("command", [Lab.up, Lab.engine_for_run])
def test_another_libvirt_is_not_mixed_with_the_lab_s_own(command: Callable[[Lab], object], paths: LabPaths) -> None:
    elsewhere(paths)
    with pytest.raises(LabError) as raised:
        command(Lab(paths))
    assert raised.value.problem.startswith(f"libvirt_uri: {ELSEWHERE} ")
    assert "--system" in raised.value.remedy and str(paths.stack_file) in raised.value.remedy
    assert not paths.root.exists()


def test_a_libvirt_that_does_not_answer_is_found_out_first(paths: LabPaths) -> None:
    elsewhere(paths)
    with pytest.raises(LabError, match=f"libvirt_uri: the libvirt at {ELSEWHERE.replace('+', '.')} cannot be reached"):
        Lab(paths, system=True).up()
    assert not paths.root.exists()


def test_a_lab_that_was_only_previewed_does_not_exist(paths: LabPaths) -> None:
    write_state(paths, [])
    assert not has_resources(paths)
    with pytest.raises(LabError, match="the lab two-node does not exist") as raised:
        Lab(paths).status()
    assert raised.value.remedy == "./lab up two-node"


def test_a_lab_that_was_never_whole_says_so(paths: LabPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "ask", lambda self, arguments: "{}\n")
    with pytest.raises(LabError, match="never brought up whole") as raised:
        Engine(paths, {}, ()).outputs()
    assert raised.value.remedy.startswith("./lab up two-node")
