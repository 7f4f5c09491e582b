"""The program with a stock image: who installs what, what waits for what, and what is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.cluster.outputs import NAMESPACE_VARIABLE
from pgpool_lab import paths
from pgpool_lab.image import stock
from pgpool_lab.paths import PROJECT
from tests.program.conftest import configuration, recorded
from tests.program.engine import Recording, run_program
from tests.program.test_program import DOMAIN, LOCAL, REMOTE, VOLUME, hooked
from tests.unit.test_stock import qcow2

NETWORK = "libvirt:index/network:Network"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the files that the stacks name, in the network of a lab's own libvirt."""
    # Kept for all tests: it must not be recorded first with what follows here.
    recorded(2)
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    monkeypatch.setenv(NAMESPACE_VARIABLE, "a-namespace")
    folder = tmp_path / "files"
    (folder / "mirror-centos7" / "repodata").mkdir(parents=True)
    for name in ("pgpool-II-3.2.9.tar.gz", "mirror-centos7/repodata/repomd.xml", "mirror-centos7/python.tar.gz"):
        (folder / name).touch()
    (folder / "mirror-debian12").mkdir()
    (folder / "mirror-debian12" / "Packages").touch()
    qcow2(folder / "debian-12-plain-amd64.qcow2")
    qcow2(folder / "CentOS-7-x86_64-GenericCloud.qcow2", 8 * 1024**3)
    return folder


def stack(name: str) -> dict[str, Any]:
    """The settings of a stack, but for the domain type: `auto` starts a probe guest."""
    document = yaml.safe_load((PROJECT / "stacks" / f"Pulumi.{name}.yaml").read_text())
    return {key.removeprefix("pgpool-lab:"): value for key, value in document["config"].items()} | {
        "domain_type": "qemu"
    }


def seed(lab: Recording, node: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.named(f"{node}-cloud-init-file").plain("stdin"))
    return found


@pytest.fixture(params=["stock", "procedure"])
def lab(files: Path, request: pytest.FixtureRequest) -> Recording:
    return run_program(stack(request.param))


def test_a_stock_image_is_taken_and_none_is_built(lab: Recording) -> None:
    assert not [item for item in lab.of_type(LOCAL) if item.name == "image-build"]
    assert "pgpool_lab.image take --recipe" in lab.named("image-take").plain("create")
    for item in lab.of_type(LOCAL):
        assert "pgpool_lab.image build" not in item.plain("create")


def test_the_files_on_a_seed_are_there_before_it_is_written(lab: Recording) -> None:
    for node in ("node0", "node4"):
        assert "image-take" in lab.before(lab.named(f"{node}-cloud-init-file"))
    assert "image-build" not in recorded(2).before(recorded(2).named("node0-cloud-init-file"))
    assert not [path for path in seed(lab, "node0")["copies"].values() if Path(path).is_absolute()]


def test_root_disks_are_larger_than_the_image(lab: Recording) -> None:
    for node in ("node0", "node4"):
        assert lab.named(f"{node}-root", VOLUME).plain("size") == stock.ROOT_BYTES
    assert "size" not in recorded(2).named("node0-root", VOLUME).inputs


def test_the_first_node_compiles_and_the_others_do_not(lab: Recording) -> None:
    first, other = seed(lab, "node0"), seed(lab, "node4")
    assert "PGPOOL_TARBALL" in first["copies"] and "PGPOOL_TARBALL" not in other.get("copies", {})
    assert "pgpool.sh" in first["variables"].split("STATE=")[0]
    assert "pgpool.sh" not in other["variables"].split("STATE=")[0]
    for given in (first, other):
        assert given["install.sh"] and stock.COMMAND in yaml.safe_load(given["user-data"])["runcmd"]


def test_every_other_node_gets_pgpool_from_the_first_before_its_configuration(lab: Recording) -> None:
    assert not [item for item in lab.of_type(REMOTE) if item.name == "pgpool-copy-node0"]
    copy = lab.named("pgpool-copy-node4")
    assert {"node0-ready", "node4-ready", "ssh-mesh-trust-node0", "ssh-mesh-trust-node4"} <= lab.before(copy)
    assert "source=node0\n" in copy.plain("create")
    assert copy.plain("connection")["host"] == "192.168.31.134"
    assert copy.deleted_with == lab.named("node4", DOMAIN).urn
    assert copy.plain("triggers") == ["id-of-node4"]
    assert "pgpool-copy-node4" in lab.before(lab.named("pgpool-node4-files"))
    assert "pgpool-copy-node4" not in lab.before(lab.named("pgpool-node0-files"))
    assert "pgpool-copy-node4" in lab.before(lab.named("serve"))


def test_a_node_is_ready_when_cloud_init_has_installed_it(lab: Recording) -> None:
    ready = lab.named("node4-ready").plain("create")
    assert "node=node4\n" in ready and stock.LOG in ready
    assert stock.STATE not in recorded(2).named("node0-ready").plain("create")


def test_with_a_mirror_the_network_stays_isolated(lab: Recording) -> None:
    (network,) = lab.of_type(NETWORK)
    assert (network.plain("mode"), network.plain("dns")) == ("none", {"enabled": False})
    assert "gateway4" not in seed(lab, "node0")["network-config"]


def test_the_runbook_s_distribution_is_rendered_in_its_own_words(files: Path) -> None:
    lab = run_program(stack("procedure"))
    given = seed(lab, "node0")
    assert "postgresql94-server" in given["variables"] and "set-name: eth0" in given["network-config"]
    assert lab.named("agent-node0-files").plain("create").startswith("set -eu; exec /usr/local/python/bin/python3 -c")
    written = {file["path"]: file["content"] for file in json.loads(lab.named("agent-node0-files").plain("stdin"))}
    assert written["/usr/local/sbin/lab-node"].startswith("#!/usr/local/python/bin/python3 -IS\n")


def test_a_witness_gets_pgpool_as_a_node_does(files: Path) -> None:
    lab = run_program(stack("stock") | {"witness": True})
    assert "pgpool-copy-witness" in lab.before(lab.named("pgpool-witness-files"))
    assert "pgpool-copy-node4" not in lab.before(lab.named("pgpool-witness-files"))


def test_on_the_user_s_libvirt_machines_are_led_to_the_internet(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAMESPACE_VARIABLE)
    config = stack("stock")
    del config["image"]["mirror"]
    lab = run_program(config)
    (network,) = lab.of_type(NETWORK)
    assert (network.plain("mode"), network.plain("dns")) == ("nat", {"enabled": True})
    assert network.plain("dhcp") == {"enabled": False}
    assert "gateway4: 192.168.31.1" in seed(lab, "node0")["network-config"]


def test_without_packages_nothing_is_registered(files: Path) -> None:
    config = stack("stock")
    del config["image"]["mirror"]
    recording = Recording()
    with pytest.raises(pulumi.RunError, match=r"image\.source: its machines install packages"):
        run_program(config, recording=recording)
    assert recording.resources == []


def test_another_version_of_pgpool_replaces_every_machine(files: Path) -> None:
    before = run_program(stack("stock"))
    after = run_program(stack("stock") | {"pgpool": {"source": "path:files/pgpool-II-3.2.9.tar.gz"}})
    for node in ("node0", "node4"):
        assert after.named(f"{node}-machine").inputs != before.named(f"{node}-machine").inputs


def test_a_lab_of_the_lab_s_own_image_takes_a_cloud_image(lab: Recording) -> None:
    kept = lab.named("kept-settings")
    before = kept.plain("input") | {"image.source": recorded(2).named("kept-settings").plain("input")["image.source"]}
    assert before != kept.plain("input")
    hooked(lab, kept, before)


def test_a_built_image_s_lab_has_nothing_of_this() -> None:
    lab = run_program(configuration(2))
    assert not [item for item in lab.custom() if "copy" in item.name or item.name == "image-take"]
    assert set(seed(lab, "node0")) == {"user-data", "meta-data", "network-config"}
