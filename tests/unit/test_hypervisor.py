"""The private libvirt's decisions: pure functions, and the probe guest under emulation."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor import check_disk, connect_check, daemon, enter, leftovers, on_this_host, sees_this_tree
from pgpool_lab.hypervisor.configuration import (
    Account,
    DeviceAccess,
    cover_texts,
    covers,
    folders,
    qemu_account,
    qemu_conf,
    uri,
    with_entry,
)
from pgpool_lab.hypervisor.connection import reason
from pgpool_lab.hypervisor.daemon import exclusively, prepare, script
from pgpool_lab.hypervisor.leftovers import Kind, parse_volumes, refuse_paused, unrecorded
from pgpool_lab.hypervisor.probe import boot_sector, guest_runs, probe_domain_type, virtualizes
from pgpool_lab.hypervisor.processes import ancestors, has_mounts_of
from pgpool_lab.hypervisor.removal import remove
from pgpool_lab.hypervisor.resources import (
    ENGINE_MIB,
    Demand,
    available_disk_mib,
    by_file_system,
    enough_disk,
    enough_memory,
    parse_available_mib,
)
from pgpool_lab.paths import LabPaths
from pgpool_lab.room import Need

UNPRIVILEGED = Account(64055, 107)


@pytest.mark.parametrize(
    ("kvm", "expected"),
    [
        pytest.param(None, UNPRIVILEGED, id="emulated"),
        pytest.param(DeviceAccess(0, 107, 0o660), UNPRIVILEGED, id="group kvm may open it"),
        pytest.param(DeviceAccess(0, 5, 0o666), UNPRIVILEGED, id="everyone may"),
        pytest.param(DeviceAccess(64055, 5, 0o600), UNPRIVILEGED, id="owner may"),
        pytest.param(DeviceAccess(0, 0, 0o600), Account(0, 0), id="only root may"),
        pytest.param(DeviceAccess(0, 107, 0o640), Account(0, 0), id="group may only read"),
        pytest.param(DeviceAccess(0, 5, 0o660), Account(0, 0), id="another group may"),
    ],
)
def test_qemu_runs_unprivileged_unless_only_root_can_use_kvm(kvm: DeviceAccess | None, expected: Account) -> None:
    assert qemu_account(UNPRIVILEGED, kvm) == expected


def test_qemu_account_is_given_as_numbers() -> None:
    assert 'user = "+64055"\ngroup = "+107"\n' in qemu_conf(UNPRIVILEGED)


def test_the_distribution_account_is_added_only_where_it_is_missing() -> None:
    passwd = "root:x:0:0:root:/root:/bin/bash\n"
    texts = cover_texts(UNPRIVILEGED, True, passwd, "root:x:0:\nlibvirt-qemu:x:64055:\n")
    entry = "libvirt-qemu:x:64055:107::/var/lib/libvirt:/usr/sbin/nologin\n"
    assert texts == {"/dev/kvm": "", "/etc/passwd": passwd + entry, "/etc/group": None}
    assert with_entry("libvirt-qemu-2:x:1:1\n", "libvirt-qemu:x:64055:") != ""


def test_a_usable_kvm_is_not_covered() -> None:
    assert cover_texts(UNPRIVILEGED, False, "libvirt-qemu:x:1:1", "libvirt-qemu:x:1:") == {
        "/dev/kvm": None,
        "/etc/passwd": None,
        "/etc/group": None,
    }


def test_the_socket_fits_into_a_socket_address() -> None:
    lab = LabPaths("two-node", Path("/somewhere"))
    assert uri(lab) == f"qemu:///system?socket=/run/{lab.name}/libvirt/libvirt-sock"
    with pytest.raises(LabError, match="too long"):
        uri(LabPaths("x" * 70))


def test_the_daemon_sees_the_labs_folders_as_its_own(tmp_path: Path) -> None:
    lab = LabPaths("two-node", tmp_path / "it's")
    lines = script(lab).splitlines()
    assert lines[0] == "set -eu"
    assert lines[-2].endswith(" /run"), "sources below /run are bound before /run is covered"
    assert lines[-1].startswith("exec libvirtd ")
    assert sum(line.startswith("mount --bind ") for line in lines) == len(folders(lab))
    assert all("it'\"'\"'s" in line for line in lines if line.startswith("mount") and not line.endswith(" /run"))


def test_folders_are_closed_to_others_and_open_to_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LabPaths, "runtime", tmp_path / "run")
    lab = LabPaths("unit", tmp_path)
    lab.root.mkdir(parents=True)
    prepare(lab, "qemu")
    assert lab.root.stat().st_mode & 0o777 == 0o700
    assert all(folder.stat().st_mode & 0o777 == 0o711 for folder in folders(lab).values())
    assert covers(lab)["/dev/kvm"].stat().st_mode & 0o777 == 0o600
    assert (lab.libvirt / "log" / "qemu").is_dir(), "without it no machine starts"
    assert 'unix_sock_rw_perms = "0700"' in (lab.libvirt / "etc" / "libvirtd.conf").read_text()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("90 80 0:25 /pgpool-lab-1-two /run rw - tmpfs tmpfs rw", True),
        ("90 80 254:0 /run/pgpool-lab-1-two /run rw - ext4 /dev/vda rw", True),
        ("90 80 0:25 /pgpool-lab-1-two//deleted /run rw - tmpfs tmpfs rw", True),
        ("90 80 0:25 /pgpool-lab-1-two-b /run rw - tmpfs tmpfs rw", False),
        ("90 80 0:4 net:[4026532] /run/netns/pgpool-lab-1-two rw - nsfs nsfs rw", False),
        ("90 80 0:25 / /run rw - tmpfs tmpfs rw", False),
    ],
)
def test_a_labs_processes_are_known_by_their_mounts(line: str, expected: bool) -> None:
    assert has_mounts_of(f"21 1 254:0 / / rw - ext4 /dev/vda rw\n{line}\n", "pgpool-lab-1-two") is expected


def test_ancestors_reach_from_this_process_to_the_first() -> None:
    found = list(ancestors(os.getpid()))
    assert found[:2] == [os.getpid(), os.getppid()]


def test_only_what_the_state_does_not_know_is_removed_users_first() -> None:
    found: dict[Kind, list[str]] = {
        "pool": ["p1", "p2"],
        "network": ["n1"],
        "volume": ["/images/a.qcow2", "/images/seed.iso", "/images/ghost.qcow2"],
        "domain": ["d1", "ghost"],
    }
    recorded = {"d1", "n1", "p1", "/images/a.qcow2", "/images/seed.iso"}
    assert unrecorded(found, recorded) == [("domain", "ghost"), ("volume", "/images/ghost.qcow2"), ("pool", "p2")]
    assert unrecorded({}, recorded) == []


def test_volumes_are_read_from_virsh() -> None:
    assert parse_volumes(" a.qcow2   /images/a.qcow2\n b.iso     /with blank/b.iso \n\n") == [
        "/images/a.qcow2",
        "/with blank/b.iso",
    ]


def test_memory_and_disk_shortage_name_both_figures() -> None:
    enough_memory(1536, 1536 + ENGINE_MIB)
    enough_disk(Demand((Need("images", 10, Path("/x")),), 10))
    with pytest.raises(LabError, match=r"1537 MiB, .* 1024 MiB, 2560 MiB are available"):
        enough_memory(1537, 1536 + ENGINE_MIB)
    needs = (
        Need("tools", 5, Path("/x"), "move /x"),
        Need("images", 4, Path("/x"), "move /x"),
        Need("disks", 2, Path("/y"), "move /y"),
    )
    with pytest.raises(LabError) as raised:
        enough_disk(Demand(needs, 10))
    assert "/x and /y: 11 MiB are needed (tools 5, images 4, disks 2), 10 MiB are free" in raised.value.problem
    assert raised.value.remedy == "remove files from that file system, or move /x, or move /y"


def test_needs_on_one_file_system_are_added_up_and_others_are_not() -> None:
    cache, disks, far = (Need(name, 1, Path(f"/{name}")) for name in ("cache", "disks", "far"))
    assert by_file_system([cache, far, disks], {cache.folder: 1, disks.folder: 1, far.folder: 2}) == [
        (cache, disks),
        (far,),
    ]


def test_free_disk_is_that_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    check_disk([])
    check_disk([Need("disks", 1, tmp_path / "not" / "yet")])
    with pytest.raises(LabError, match="not enough free disk space"):
        check_disk([Need("disks", 2**40, tmp_path / "not" / "yet")])


def test_what_fits_alone_has_to_fit_together(tmp_path: Path) -> None:
    half = available_disk_mib(tmp_path) // 2
    needs = [Need(name, half + 2**10, tmp_path / name) for name in ("cache", "disks")]
    for need in needs:
        check_disk([need])
    with pytest.raises(LabError, match="not enough free disk space"):
        check_disk(needs)


@pytest.mark.parametrize(
    ("uri", "here", "same_tree"),
    [
        ("qemu:///system", True, True),
        ("qemu+unix:///session", True, True),
        ("qemu:///system?socket=/run/x/libvirt-sock", True, False),
        ("qemu+tcp://127.0.0.1:1/system", False, False),
        ("test:///default", False, False),
    ],
)
def test_a_uri_tells_where_a_libvirt_has_its_files(uri: str, here: bool, same_tree: bool) -> None:
    assert (on_this_host(uri), sees_this_tree(uri)) == (here, same_tree)


def test_available_memory_is_read_in_mib() -> None:
    assert parse_available_mib("MemTotal:  100 kB\nMemAvailable:    2097152 kB\n") == 2048
    with pytest.raises(LabError):
        parse_available_mib("MemTotal: 100 kB\n")


def test_an_unreachable_libvirt_is_an_error_that_names_the_setting() -> None:
    with pytest.raises(LabError, match="libvirt_uri"):
        connect_check("qemu:///system?socket=/nowhere/libvirt-sock")


def test_virsh_s_complaint_becomes_one_line() -> None:
    said = "error: failed to connect to the hypervisor\nerror: unable to connect to server at 'a:1': Refused\n\n"
    assert reason(said) == "failed to connect to the hypervisor: unable to connect to server at 'a:1': Refused"
    assert reason("") == ""


def test_a_command_enters_the_network_only(tmp_path: Path) -> None:
    lab = LabPaths("unit", tmp_path)
    assert enter(lab) == ["nsenter", f"--net=/run/netns/{lab.name}", "--"]


def test_removing_what_is_not_there_does_nothing(tmp_path: Path) -> None:
    remove(LabPaths("unit", tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_who_waits_for_the_end_of_a_removal_finds_the_lab_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = LabPaths("unit", tmp_path)
    lab.root.mkdir(parents=True)
    waited: list[str] = []

    def wait() -> None:
        with pytest.raises(LabError, match="was removed meanwhile"), exclusively(lab):
            pass
        waited.append("told")

    waiting = threading.Thread(target=wait)
    asks = threading.Event()

    def lock(handle: int, operation: int) -> None:
        if threading.current_thread() is waiting:
            asks.set()
        flock(handle, operation)

    def removing(path: Path, ignore_errors: bool = False) -> None:
        waiting.start()
        assert asks.wait(30)
        rmtree(path)

    flock, rmtree = fcntl.flock, shutil.rmtree
    monkeypatch.setattr(fcntl, "flock", lock)
    monkeypatch.setattr(shutil, "rmtree", removing)
    remove(lab)
    waiting.join()
    assert waited == ["told"]


def test_the_probe_is_one_bootable_sector() -> None:
    assert len(boot_sector()) == 512
    assert boot_sector()[-2:] == b"\x55\xaa"


@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed")
def test_the_probe_guest_runs_under_emulation() -> None:
    assert guest_runs("tcg")


CPUINFO = "processor\t: 0\nflags\t\t: fpu vme {0}hypervisor\n\nprocessor\t: 1\nflags\t\t: fpu vme {0}hypervisor\n"


def test_a_processor_that_virtualizes_says_so_among_its_flags() -> None:
    assert [virtualizes(CPUINFO.format(flag)) for flag in ("vmx ", "svm ", "", "svm_lock ")] == [
        True,
        True,
        False,
        False,
    ]
    assert not virtualizes("processor : 0\n")


def test_a_kvm_without_a_processor_that_virtualizes_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(CPUINFO.format(""))
    monkeypatch.setattr("pgpool_lab.hypervisor.probe.CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("pgpool_lab.hypervisor.probe.guest_runs", lambda accelerator: True)
    assert probe_domain_type() == "qemu"


def test_the_probes_result_is_remembered_until_the_next_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "cpuinfo").write_text(CPUINFO.format("vmx "))
    monkeypatch.setattr("pgpool_lab.hypervisor.probe.CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("pgpool_lab.hypervisor.probe.KVM", tmp_path / "absent")
    assert probe_domain_type() == "qemu"
    (remembered,) = (tmp_path / "pgpool-lab" / "domain-type").iterdir()
    assert remembered.name.startswith(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    remembered.write_text("kvm")
    assert probe_domain_type() == "kvm"
    remembered.write_text("")
    assert probe_domain_type() == "qemu", "asked again"


def test_what_another_user_s_probe_showed_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "cpuinfo").write_text(CPUINFO.format("vmx "))
    monkeypatch.setattr("pgpool_lab.hypervisor.probe.CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("pgpool_lab.hypervisor.probe.KVM", tmp_path / "absent")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert probe_domain_type() == "qemu"
    assert not (tmp_path / "pgpool-lab").exists()


def test_kvm_is_refused_where_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(daemon, "require_root", lambda: None)
    monkeypatch.setattr(daemon, "KVM", tmp_path / "kvm")
    with pytest.raises(LabError, match="domain_type: kvm"):
        daemon.start(LabPaths("two-node", tmp_path), "kvm")
    assert list(tmp_path.iterdir()) == []


def test_an_update_does_not_begin_while_machines_stand_still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lab = LabPaths("two-node", tmp_path)
    paused: list[str] = []
    monkeypatch.setattr(leftovers, "ask", lambda lab, *arguments: "".join(f"{name}\n" for name in paused))
    refuse_paused(lab)
    paused[:] = [lab.domain("node4"), lab.domain("node0")]
    with pytest.raises(LabError, match="node0, node4") as raised:
        refuse_paused(lab)
    assert "./lab fault heal --stack two-node" in raised.value.remedy
    assert "./lab rewind two-node" in raised.value.remedy


def test_what_others_have_in_the_same_libvirt_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = LabPaths("unit", tmp_path)
    mine, witness, other = lab.domain("node0"), lab.domain("witness-node0"), "guest"
    told = {
        "pool-list --name": f"{lab.name}\ndefault\n",
        f"vol-list {lab.name}": "ghost.qcow2 /images/lab/ghost.qcow2\n",
        "list --all --name": f"{mine}\n{witness}\n{other}\n",
        "net-list --all --name": f"default\n{lab.name}\n",
        "pool-list --all --name": f"default\n{lab.name}\n",
        **{f"{verb} {name}": f"uuid-{name}\n" for verb, name in [("domuuid", mine), ("net-uuid", lab.name)]},
        f"pool-uuid {lab.name}": "uuid-of-the-pool\n",
    }
    done: list[str] = []

    def virsh(at: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        assert at == "qemu:///system"
        words = " ".join(arguments)
        if words not in told:
            done.append(words)
        return subprocess.CompletedProcess(arguments, 0, told.get(words, ""), "")

    monkeypatch.setattr(leftovers, "virsh", virsh)
    removed = leftovers.forget_unrecorded(lab, ["uuid-of-the-pool"], ["node0"], "qemu:///system")
    assert removed == [
        ("domain", f"uuid-{mine}"),
        ("volume", "/images/lab/ghost.qcow2"),
        ("network", f"uuid-{lab.name}"),
    ]
    assert [words.split()[0] for words in done] == ["destroy", "undefine", "vol-delete", "net-destroy", "net-undefine"]
    assert not [words for words in done if "guest" in words or "witness" in words or "default" in words]


def test_a_libvirt_that_does_not_answer_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **options: Any) -> None:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(LabError, match="libvirt did not answer within 60 s"):
        refuse_paused(LabPaths("unit", tmp_path))
