"""What a command refuses, it refuses before it has made anything; and it says what to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pgpool_lab import hypervisor, machine, rolling, toolchain
from pgpool_lab import lab as module
from pgpool_lab.engine import LAST_STEP, Engine, has_resources
from pgpool_lab.errors import LabError
from pgpool_lab.image import base, builder, standin, stock
from pgpool_lab.lab import Lab
from pgpool_lab.paths import PROJECT, LabPaths
from pgpool_lab.room import Need, for_toolchain
from pgpool_lab.toolchain import ensure_stack
from tests.unit import lab_outputs
from tests.unit.test_stock import qcow2

COMMANDS: tuple[Callable[[Lab], object], ...] = (Lab.up, lambda lab: lab.engine_for_run(["true"]))
VARIABLE = "LIBVIRT_DEFAULT_URI"
ELSEWHERE = "qemu+tcp://127.0.0.1:1/system"


class TookToolchain(Exception):
    """All checks are behind, and what follows would make something."""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabPaths:
    """A checkout with one stack, on a machine that has room for it; whoever asks for a toolchain has gone too far."""

    def take(setting: str | None, *, named: bool) -> None:
        raise TookToolchain

    monkeypatch.setattr(toolchain, "take", take)
    monkeypatch.setattr(toolchain, "needs", lambda setting: [])
    monkeypatch.setattr(machine, "install", lambda log: [])
    monkeypatch.setattr(hypervisor, "check_memory", lambda mib: None)
    monkeypatch.setattr(hypervisor, "check_disk", lambda needs: None)
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
    for command in COMMANDS:
        with pytest.raises(TookToolchain):
            command(Lab(paths))
    assert not paths.root.exists()


UPDATES: dict[str, Callable[[Lab], object]] = {
    "up": Lab.up,
    "run": lambda lab: lab.engine_for_run(["pulumi", "up", "--stack", "two-node"]),
}


@pytest.mark.parametrize("check", ["check_memory", "check_disk"])
@pytest.mark.parametrize("command", UPDATES.values(), ids=UPDATES.keys())
def test_a_machine_without_room_is_left_as_it_is(
    command: Callable[[Lab], object], check: str, paths: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise LabError("no room")

    monkeypatch.setattr(hypervisor, check, full)
    monkeypatch.setattr(machine, "install", lambda log: pytest.fail("packages were installed"))
    with pytest.raises(LabError, match="no room"):
        command(Lab(paths))
    assert not paths.root.exists()


@pytest.fixture
def asked(paths: LabPaths, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """The room that is looked for: memory with no folder, and what goes to the disk with where it goes."""
    found: list[tuple[str, Path]] = []
    monkeypatch.setattr(hypervisor, "check_memory", lambda mib: found.append(("memory", Path())))
    monkeypatch.setattr(
        hypervisor, "check_disk", lambda needs: found.extend((need.what, need.folder) for need in needs)
    )
    return found


MEMORY, CACHE = ("memory", Path()), Path("/cache/pgpool-lab")
TOOLS, IMAGE = ("the toolchain", CACHE), ("the nodes' image", CACHE)
NEED = for_toolchain(CACHE)


@pytest.mark.parametrize("command", UPDATES.values(), ids=UPDATES.keys())
@pytest.mark.parametrize(("tools", "image", "made"), [([NEED], False, [TOOLS]), ([], True, [IMAGE]), ([], False, [])])
@pytest.mark.parametrize("stands", [False, True])
def test_room_is_looked_for_where_what_is_still_to_be_made_will_go(
    stands: bool,
    tools: list[Need],
    image: bool,
    made: list[tuple[str, Path]],
    command: Callable[[Lab], object],
    paths: LabPaths,
    asked: list[tuple[str, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    monkeypatch.setattr(toolchain, "needs", lambda setting: list(tools))
    monkeypatch.setattr(base, "present", lambda recipe: not image)
    if stands:
        write_state(paths, [{"urn": "urn:pulumi:x"}])
    with pytest.raises(TookToolchain):
        command(Lab(paths))
    disks = [("the nodes' disks", paths.root)]
    assert asked == (made if stands else [MEMORY, *made, *disks])


@pytest.mark.parametrize(
    ("uri", "memory", "disks"),
    [
        ("qemu:///system", True, True),
        ("qemu:///system?socket=/elsewhere/libvirt-sock", True, False),
        ("qemu+unix:///system", True, True),
        ("qemu+ssh://root@another/system", False, False),
    ],
)
def test_another_libvirt_has_the_machines_and_the_disks_in_its_own_place(
    uri: str,
    memory: bool,
    disks: bool,
    paths: LabPaths,
    asked: list[tuple[str, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, uri)
    monkeypatch.setattr(base, "present", lambda recipe: True)
    monkeypatch.setattr(hypervisor, "connect_check", lambda uri: None)
    with pytest.raises(TookToolchain):
        Lab(paths, system=True).up()
    pool = Path("/var/lib/libvirt/images") / paths.name
    assert asked == [*[MEMORY] * memory, *[("the nodes' disks", pool)] * disks]


def test_a_command_that_updates_nothing_needs_no_room(paths: LabPaths, asked: list[tuple[str, Path]]) -> None:
    with pytest.raises(TookToolchain):
        Lab(paths).engine_for_run(["pulumi", "preview"])
    assert asked == []


def test_the_toolchain_is_named_in_every_up(paths: LabPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []

    def take(setting: str | None, *, named: bool) -> None:
        told.append(named)
        raise TookToolchain

    monkeypatch.setattr(toolchain, "take", take)
    for command in COMMANDS:
        with pytest.raises(TookToolchain):
            command(Lab(paths))
    assert told == [True, False], "up, and run, whose output is its command's"


@pytest.mark.parametrize(("resources", "looks"), [([], True), ([{"urn": "urn:pulumi:x"}], False)])
def test_a_lab_that_was_only_previewed_has_taken_no_room(
    resources: list[object], looks: bool, paths: LabPaths, asked: list[tuple[str, Path]]
) -> None:
    write_state(paths, resources)
    with pytest.raises(TookToolchain):
        Lab(paths).up()
    assert (MEMORY in asked) == looks


@pytest.mark.parametrize("command", COMMANDS, ids=["up", "run"])
def test_another_libvirt_is_not_mixed_with_the_lab_s_own(command: Callable[[Lab], object], paths: LabPaths) -> None:
    elsewhere(paths)
    with pytest.raises(LabError) as raised:
        command(Lab(paths))
    assert raised.value.problem.startswith(f"libvirt_uri: {ELSEWHERE} ")
    assert "--system" in raised.value.remedy and str(paths.stack_file) in raised.value.remedy
    assert not paths.root.exists()


@pytest.mark.parametrize(
    ("setting", "variable", "expected"),
    [
        (True, "qemu:///session", ELSEWHERE),
        (False, "qemu:///session", "qemu:///session"),
        (False, "", "qemu:///system"),
    ],
)
def test_a_lab_on_another_libvirt_is_looked_for_there(
    setting: bool, variable: str, expected: str, paths: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting:
        elsewhere(paths)
    monkeypatch.setenv(VARIABLE, variable)
    asked: list[str] = []
    monkeypatch.setattr(hypervisor, "connect_check", asked.append)
    monkeypatch.setattr(toolchain, "take", lambda setting, *, named: None)
    monkeypatch.setattr(module, "open_engine", lambda lab, tools, prefix, extra: asked.append(extra[VARIABLE]))
    write_state(paths, [{"urn": "urn:pulumi:x"}])
    Lab(paths, system=True).engine()
    assert asked == [expected, expected]
    paths.stack_file.unlink()
    Lab(paths, system=True).engine()
    assert asked[2:] == [variable or "qemu:///system"] * 2


def test_a_libvirt_that_does_not_answer_is_found_out_first(paths: LabPaths) -> None:
    elsewhere(paths)
    with pytest.raises(LabError, match=f"libvirt_uri: the libvirt at {ELSEWHERE.replace('+', '.')} cannot be reached"):
        Lab(paths, system=True).up()
    assert not paths.root.exists()


@pytest.mark.parametrize(
    ("command", "builds"),
    [
        ("pulumi up --stack two-node", True),
        ("/bin/pulumi --logflow up", True),
        ("pulumi preview", False),
        ("up", False),
    ],
)
def test_an_update_by_hand_has_its_image_built_outside_the_lab_s_network(
    command: str, builds: bool, paths: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(toolchain, "take", lambda setting, *, named: None)
    monkeypatch.setattr(builder, "build", lambda recipe: done.append("image"))
    monkeypatch.setattr(Lab, "_open", lambda self, tools: done.append("network"))
    Lab(paths).engine_for_run(command.split())
    assert done == ["image", "network"] if builds else done == ["network"]


@pytest.mark.parametrize("command", ["pulumi up", "pulumi preview"])
def test_an_update_by_hand_has_its_mirror_served_when_the_network_is_there(
    command: str, paths: LabPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, image = tmp_path / "mirror", qcow2(tmp_path / "image.qcow2")
    folder.mkdir()
    (folder / "Packages").touch()
    standin.publish(folder)
    setting = f"config:\n  pgpool-lab:image:\n    source: path:{image}\n    mirror: {folder}"
    paths.stack_file.write_text(paths.stack_file.read_text().replace("config:", setting))
    done: list[object] = []
    monkeypatch.setattr(toolchain, "take", lambda setting, *, named: None)
    monkeypatch.setattr(stock, "obtain", lambda recipe: done.append("image"))
    monkeypatch.setattr(Lab, "_open", lambda self, tools: done.append("network"))
    monkeypatch.setattr(hypervisor, "serve", lambda lab, *served: done.append(served))
    Lab(paths).engine_for_run(command.split())
    served = (folder, "192.168.31.1", 8080)
    assert done == (["image", "network", served] if command == "pulumi up" else ["network"])


def test_what_is_measured_is_the_lab_s_own_image(paths: LabPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = "config:\n  pgpool-lab:image: {source: 'path:README.md'}"
    paths.stack_file.write_text(paths.stack_file.read_text().replace("config:", setting))
    with pytest.raises(LabError, match=r"image\.source: what is measured"):
        Lab(paths).bench()


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


def urn(name: str) -> dict[str, str]:
    return {"urn": f"urn:pulumi:two-node::pgpool-lab::pgpool-lab:index:Cluster$command:remote:Command::{name}"}


WHOLE: dict[str, tuple[list[object], bool]] = {
    "nothing is there": ([], False),
    "a machine did not get ready": ([urn("image-build"), urn("node0")], False),
    "all but the last step": ([urn("node0-ready"), urn("join"), urn(f"not-{LAST_STEP}")], False),
    "it was whole": ([urn("node0-ready"), urn(LAST_STEP)], True),
}


@pytest.mark.parametrize(("resources", "whole"), WHOLE.values(), ids=WHOLE.keys())
def test_a_refused_replacement_is_done_at_once_where_the_lab_was_never_whole(
    resources: list[object], whole: bool, paths: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def run(engine: Engine, arguments: Sequence[str]) -> int:
        steps.append("at once" if "--skip-preview" in arguments else "with a preview")
        assert "--refresh" in arguments, "the user's own options"
        return int(steps[-1] == "with a preview")

    monkeypatch.setattr(toolchain, "take", lambda setting, *, named: None)
    monkeypatch.setattr(base, "obtain", lambda recipe: None)
    monkeypatch.setattr(hypervisor, "forget_unrecorded", lambda lab, recorded, machines, at: [])
    monkeypatch.setattr(hypervisor, "refuse_paused", lambda lab: None)
    monkeypatch.setattr(Lab, "_open", lambda lab, tools: Engine(paths, {}, ()))
    monkeypatch.setattr(Lab, "_replace_machines", lambda lab, engine, settings: steps.append("one after the other"))
    monkeypatch.setattr(rolling, "refused", lambda event_log: True)
    monkeypatch.setattr(module, "status", lambda outputs, stack: {"healthy": True})
    monkeypatch.setattr(Engine, "recorded", lambda engine: set())
    monkeypatch.setattr(Engine, "outputs", lambda engine: None)
    monkeypatch.setattr(Engine, "run", run)
    write_state(paths, resources)
    Lab(paths).up(["--refresh"])
    assert steps == ["with a preview", "one after the other" if whole else "at once"]


def test_what_is_mistyped_is_not_removed_without_a_word(paths: LabPaths, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LabError, match="there is no stack 'tow-node'"):
        Lab(LabPaths("tow-node", paths.project)).down()
    Lab(paths).down()
    assert "does not exist: there is nothing to remove" in capsys.readouterr().err


def test_a_lab_whose_settings_are_gone_can_be_removed(paths: LabPaths) -> None:
    (paths.root / "seeds").mkdir(parents=True)
    paths.stack_file.unlink()
    Lab(paths).down()
    assert not paths.root.parent.exists()


def test_a_lab_whose_state_is_elsewhere_keeps_its_key(paths: LabPaths) -> None:
    paths.root.mkdir(parents=True)
    paths.operator_key.write_text("key")
    with pytest.raises(LabError, match="pulumi destroy --stack two-node"):
        Lab(paths).down()
    assert paths.operator_key.exists()


def test_the_copy_of_settings_that_are_gone_is_kept(paths: LabPaths, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = paths.root / paths.stack_file.name

    def ensure() -> None:
        environment = {"PATH": str(program.parent), "PULUMI_BACKEND_URL": "file:///backend"}
        ensure_stack(
            paths.stack, project="pgpool-lab", settings=paths.stack_file, config_file=copy, environment=environment
        )

    ensure()
    kept = copy.read_text()
    paths.stack_file.unlink()
    ensure()
    assert copy.read_text() == kept
    copy.unlink()
    with pytest.raises(LabError, match=re.escape(str(paths.stack_file))):
        ensure()


def test_secrets_are_opened_before_an_update(paths: LabPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    program = paths.project / "pulumi"
    program.write_text(
        '#!/bin/sh\ncase "$*" in *--show-secrets*) echo "error: incorrect passphrase" >&2; exit 1;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(paths.project), prepend=os.pathsep)
    with pytest.raises(LabError, match=re.escape(str(paths.passphrase))):
        Engine(paths, dict(os.environ), ()).recorded()


def test_the_help_speaks_of_the_command_that_was_typed() -> None:
    command = [sys.executable, "-m", "pgpool_lab", "soak", "--help"]
    shown = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert "Usage: ./lab soak" in shown and "python" not in shown


OWN = "its own"
SYSTEM = "qemu:///system"


def in_libvirt(paths: LabPaths, uri: str, name: str = "") -> None:
    """A state that records a machine in a libvirt, in the lab's own for OWN; `name` is another lab's."""
    inputs = {"uri": hypervisor.uri(paths) if uri == OWN else uri, "version": "0.5.4"}
    machine = {"urn": "urn:pulumi:machine", "type": "libvirt:index/domain:Domain", "id": "x"}
    network = {
        "urn": "urn:pulumi:network",
        "type": "libvirt:index/network:Network",
        "inputs": {"name": name or paths.name},
    }
    provider = {"urn": "urn:pulumi:provider", "type": "pulumi:providers:libvirt", "inputs": inputs}
    write_state(paths, [provider, network, machine])


@pytest.fixture
def destroys(paths: LabPaths, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where `pulumi destroy`, which fails, is sent: to the lab's own libvirt, or to which other one."""
    opened: list[str] = []

    class Failing:
        def run(self, arguments: Sequence[str]) -> int:
            assert arguments[0] == "destroy"
            return 255

    def open_engine(lab: LabPaths, tools: object, prefix: object, extra: dict[str, str]) -> Failing:
        opened.append(extra[VARIABLE])
        return Failing()

    def start(lab: LabPaths, domain_type: hypervisor.DomainType | None) -> hypervisor.PrivateLibvirt:
        lab.libvirt.mkdir(exist_ok=True)
        return hypervisor.PrivateLibvirt(OWN, lab.name, domain_type or "qemu")

    monkeypatch.setattr(toolchain, "take", lambda setting, *, named: None)
    monkeypatch.setattr(module, "open_engine", open_engine)
    monkeypatch.setattr(hypervisor, "connect_check", lambda uri: None)
    monkeypatch.setattr(hypervisor, "start", start)
    monkeypatch.setattr(hypervisor, "enter", lambda lab: [])
    monkeypatch.setattr(hypervisor, "remove", lambda lab: shutil.rmtree(lab.root))
    monkeypatch.setattr(hypervisor, "forget_unrecorded", lambda lab, recorded, machines, at: [])
    return opened


@pytest.mark.parametrize("system", [False, True], ids=["down", "down --system"])
@pytest.mark.parametrize("settings", [True, False], ids=["with its settings", "its settings are gone"])
def test_a_lab_is_removed_where_it_is(system: bool, settings: bool, paths: LabPaths, destroys: list[str]) -> None:
    in_libvirt(paths, OWN)
    if not settings:
        paths.stack_file.unlink()
    Lab(paths, system).down()
    assert destroys == [OWN]
    assert not paths.root.exists()


@pytest.mark.parametrize(("setting", "expected"), [("auto", None), ("kvm", "kvm"), ("qemu", "qemu"), (None, None)])
def test_the_lab_s_own_libvirt_runs_machines_as_the_settings_say(
    setting: str | None, expected: str | None, paths: LabPaths, destroys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str | None] = []
    start = hypervisor.start

    def noted(lab: LabPaths, domain_type: hypervisor.DomainType | None) -> hypervisor.PrivateLibvirt:
        told.append(domain_type)
        return start(lab, domain_type)

    monkeypatch.setattr(hypervisor, "start", noted)
    in_libvirt(paths, OWN)
    if setting is None:
        paths.stack_file.unlink()
    else:
        paths.stack_file.write_text(f"{paths.stack_file.read_text()}  pgpool-lab:domain_type: {setting}\n")
    Lab(paths).down()
    assert told == [expected]


@pytest.mark.parametrize("system", [False, True], ids=["down", "down --system"])
@pytest.mark.parametrize("uri", [SYSTEM, ELSEWHERE])
def test_the_only_record_of_what_is_in_another_libvirt_stays_until_that_is_gone(
    system: bool, uri: str, paths: LabPaths, destroys: list[str]
) -> None:
    in_libvirt(paths, uri)
    with pytest.raises(LabError, match=re.escape(f"what is left at {uri} is recorded in {paths.root}")):
        Lab(paths, system).down()
    assert destroys == [uri]
    assert has_resources(paths) and not paths.libvirt.exists()


@pytest.mark.parametrize(("recorded", "system"), [(SYSTEM, False), (OWN, True), (ELSEWHERE, True)])
def test_a_lab_is_not_built_a_second_time_in_another_libvirt(
    recorded: str, system: bool, paths: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    in_libvirt(paths, recorded)
    with pytest.raises(LabError) as raised:
        Lab(paths, system).up()
    assert raised.value.problem.startswith("libvirt_uri: the lab two-node is in the libvirt at ")
    assert "./lab down two-node" in raised.value.remedy


COPIES: dict[str, Callable[[Lab], object]] = {
    "up": lambda lab: lab.up(),
    "down": lambda lab: lab.down(),
    "status": lambda lab: lab.status(),
    "run": lambda lab: lab.engine_for_run(["pulumi", "destroy"]),
}


@pytest.mark.parametrize("uri", ["the original's", SYSTEM])
@pytest.mark.parametrize("system", [False, True], ids=["own", "--system"])
@pytest.mark.parametrize("command", COPIES.values(), ids=COPIES.keys())
def test_a_copy_of_a_checkout_leaves_the_lab_of_the_original_alone(
    command: Callable[[Lab], object],
    system: bool,
    uri: str,
    paths: LabPaths,
    tmp_path: Path,
    destroys: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("LAB_OUTPUTS", raising=False)
    original = LabPaths("two-node", tmp_path / "original")
    in_libvirt(paths, SYSTEM if uri == SYSTEM else hypervisor.uri(original), original.name)
    with pytest.raises(LabError, match="was made in another folder") as raised:
        command(Lab(paths, system))
    assert str(paths.root) in raised.value.remedy
    assert destroys == [] and has_resources(paths)


def test_a_lab_in_the_libvirt_of_another_is_no_copy_of_that(
    paths: LabPaths, tmp_path: Path, destroys: list[str]
) -> None:
    elsewhere = hypervisor.uri(LabPaths("two-node", tmp_path / "another"))
    in_libvirt(paths, elsewhere)
    with pytest.raises(LabError, match="what is left at"):
        Lab(paths, system=True).down()
    assert destroys == [elsewhere]


@pytest.mark.parametrize(("recorded", "system"), [(SYSTEM, True), (OWN, False)])
def test_a_lab_is_brought_up_where_it_is(
    recorded: str, system: bool, paths: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(hypervisor, "connect_check", lambda uri: None)
    in_libvirt(paths, recorded)
    with pytest.raises(TookToolchain):
        Lab(paths, system).up()


OF_THIS_CHECKOUT: dict[str, Callable[[Lab], object]] = {
    "up": Lab.up,
    "down": Lab.down,
    "bench": Lab.bench,
    "run": lambda lab: lab.engine_for_run(["true"]),
}


@pytest.mark.parametrize("command", OF_THIS_CHECKOUT.values(), ids=OF_THIS_CHECKOUT.keys())
def test_what_is_about_a_lab_of_this_checkout_is_refused_for_one_that_was_built_elsewhere(
    command: Callable[[Lab], object], paths: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_OUTPUTS", "outputs.json")
    with pytest.raises(LabError, match=r"^LAB_OUTPUTS: outputs.json tells of a lab that was built elsewhere"):
        command(Lab(paths))


def test_a_lab_that_was_built_elsewhere_is_known_by_its_outputs(
    paths: LabPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No engine is asked, which has no state of it."""
    monkeypatch.setattr(machine, "check_asking", lambda: None)
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(lab_outputs.values()))
    monkeypatch.setenv("LAB_OUTPUTS", str(file))
    assert [node.name for node in Lab(paths).outputs().nodes] == ["node0", "node4"]


def test_what_is_kept_of_a_lab_that_was_built_elsewhere_is_not_this_checkout_s(
    paths: LabPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its faults would be healed on the lab of the same name that is here, and the other way round."""
    assert Lab(paths).kept == paths
    file, folders = tmp_path / "outputs.json", []
    monkeypatch.setenv("LAB_OUTPUTS", str(file))
    for uri in ("qemu:///system", "qemu:///session", "qemu:///system"):
        file.write_text(json.dumps(lab_outputs.values() | {"libvirt_uri": uri}))
        folders.append(Lab(paths).kept.root)
    first, second, again = folders
    assert first == again and len({first, second, paths.root}) == 3
    assert first.parent == paths.root.parent


@pytest.mark.parametrize("command", COMMANDS, ids=["up", "run"])
def test_a_lab_of_plain_pulumi_keeps_its_key(command: Callable[[Lab], object], paths: LabPaths) -> None:
    paths.operator_key.parent.mkdir(parents=True)
    paths.operator_key.write_text("its key")
    with pytest.raises(LabError, match="was made by pulumi with a state of its own"):
        command(Lab(paths))
    assert paths.operator_key.read_text() == "its key"


def test_a_name_that_is_too_long_is_refused_for_a_lab_in_another_libvirt_too(
    paths: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is there, what is recorded is compared with the libvirt of its own that it does not have."""
    long = LabPaths("x" * 90, paths.project)
    shutil.copyfile(paths.stack_file, long.stack_file)
    with pytest.raises(LabError, match="is too long"):
        Lab(long, system=True).up()


@pytest.mark.parametrize("system", [True, False])
def test_a_state_that_cannot_be_read_does_not_lose_machines_in_another_libvirt(
    system: bool, paths: LabPaths, destroys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    write_state(paths, [])
    [file] = paths.backend.rglob("two-node.json")
    file.write_text("")
    with pytest.raises(LabError, match="what is left at" if system else "its machines may be in another"):
        Lab(paths, system).down()
    assert file.exists()
    paths.libvirt.mkdir()
    if not system:
        Lab(paths).down()
        assert not paths.root.exists(), "what it had was in a libvirt of its own"
