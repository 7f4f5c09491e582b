"""A stack's configuration becomes settings, or one error that names the key."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgpool_lab.errors import LabError
from pgpool_lab.paths import PROJECT
from pgpool_lab.settings import LabSettings, from_engine, from_mapping, from_stack_file
from pgpool_lab.settings.load import TARBALL, fix_tarball, with_tarball
from pgpool_lab.settings.model import ImageSettings, NodeSettings, PgpoolSettings, PostgresqlSettings, Settings
from pgpool_lab.settings.presets import OWN, preset_of

Values = dict[str, Any]

TWO_NODE = PROJECT / "stacks" / "Pulumi.two-node.yaml"
THREE_NODE = PROJECT / "stacks" / "Pulumi.three-node.yaml"
VALID: Values = {
    "network": {"cidr": "10.20.30.0/24", "vip": "10.20.30.100"},
    "nodes": [
        {"name": "a", "ip": "10.20.30.11", "mac": "52:54:00:00:00:11"},
        {"name": "b", "ip": "10.20.30.12", "mac": "52:54:00:00:00:12"},
    ],
}


def changed(*path: str | int, to: object) -> Values:
    """The valid configuration with one value set."""
    values = copy.deepcopy(VALID)
    target: Any = values
    for part in path[:-1]:
        target = target.setdefault(part, {}) if isinstance(target, dict) else target[part]
    target[path[-1]] = to
    return values


def without(*path: str | int) -> Values:
    """The valid configuration with one value removed."""
    values = copy.deepcopy(VALID)
    target: Any = values
    for part in path[:-1]:
        target = target[part]
    del target[path[-1]]
    return values


def test_a_tarball_of_the_environment_wins_over_the_stack_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stack = tmp_path / "Pulumi.own.yaml"
    values = changed("pgpool", to={"version": "4.5.0", "source": "url:https://host/p.tar.gz", "sha256": "0" * 64})
    stack.write_text(yaml.safe_dump({"config": {f"pgpool-lab:{key}": value for key, value in values.items()}}))
    monkeypatch.setenv("LAB_PGPOOL_TARBALL", str(tmp_path / "given.tar.gz"))
    engine = {f"pgpool-lab:{key}": json.dumps(value) for key, value in values.items()}
    for settings in (from_stack_file(stack), from_engine(engine, "the engine")):
        assert (settings.pgpool.source, settings.pgpool.sha256) == (f"path:{tmp_path}/given.tar.gz", None)
    monkeypatch.delenv("LAB_PGPOOL_TARBALL")
    assert from_stack_file(stack).pgpool.source == "url:https://host/p.tar.gz"


def test_a_tarball_is_the_same_file_for_the_command_and_for_the_program_in_its_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {TARBALL: "given.tar.gz"}
    fix_tarball(environment)
    monkeypatch.chdir("/")
    assert with_tarball({}, environment)["pgpool"]["source"] == f"path:{tmp_path}/given.tar.gz"
    nothing: dict[str, str] = {}
    fix_tarball(nothing)
    assert nothing == {}


def with_nodes(*names: str, cidr: str = "10.20.30.0/24", vip: str = "10.20.30.100") -> Values:
    """A lab of so many nodes and a witness, at .11, .12, …"""
    nodes = [
        {"name": name, "ip": f"10.20.30.{11 + index}", "mac": f"52:54:00:00:00:{11 + index}"}
        for index, name in enumerate(names)
    ]
    return {"network": {"cidr": cidr, "vip": vip}, "nodes": nodes, "witness": True}


def test_the_configuration_that_the_bad_ones_start_from_is_valid() -> None:
    settings = from_mapping(VALID, "stack.yaml")
    assert [node.name for node in settings.nodes] == ["a", "b"]
    assert settings.memory_mib == 2 * 768


BAD: dict[str, tuple[Values, str]] = {
    "VIP is a node's address": (changed("network", "vip", to="10.20.30.12"), "network.vip: 10.20.30.12 is already"),
    "VIP outside the subnet": (changed("network", "vip", to="10.20.31.100"), "network.vip: 10.20.31.100 is not"),
    "VIP is the gateway": (changed("network", "vip", to="10.20.30.1"), "network.vip: 10.20.30.1 is not"),
    "VIP is the broadcast address": (changed("network", "vip", to="10.20.30.255"), "network.vip: 10.20.30.255"),
    "VIP is no address": (changed("network", "vip", to="virtual"), "network.vip:"),
    "node outside the subnet": (changed("nodes", 1, "ip", to="10.20.31.12"), "nodes[1].ip: 10.20.31.12 is not"),
    "node has the gateway's address": (changed("nodes", 0, "ip", to="10.20.30.1"), "nodes[0].ip: 10.20.30.1 is not"),
    "duplicate name": (changed("nodes", 1, "name", to="a"), "nodes[1].name: a is already taken by nodes[0].name"),
    "duplicate address": (
        changed("nodes", 1, "ip", to="10.20.30.11"),
        "nodes[1].ip: 10.20.30.11 is already taken by nodes[0].ip",
    ),
    "duplicate MAC": (
        changed("nodes", 1, "mac", to="52:54:00:00:00:11"),
        "nodes[1].mac: 52:54:00:00:00:11 is already taken by nodes[0].mac",
    ),
    "MAC that libvirt keeps for itself": (changed("nodes", 0, "mac", to="fe:54:00:00:00:11"), "nodes[0].mac:"),
    "name that is no host name": (changed("nodes", 0, "name", to="Node_0"), "nodes[0].name:"),
    "MAC without quotes": (changed("nodes", 0, "mac", to=41193669093), "nodes[0].mac: put it in quotes"),
    "version without quotes": (changed("postgresql", "version", to=15), "postgresql.version: put it in quotes"),
    "checksum without quotes": (changed("pgpool", "sha256", to=int("1" * 64)), "pgpool.sha256: put it in quotes"),
    "no without quotes": (changed("pgpool", "restart", to=False), "pgpool.restart: put it in quotes: without them"),
    "nodes that are no list": (changed("nodes", to="two"), "nodes: must be a list"),
    "network that is no section": (changed("network", to="10.20.30.0/24"), "network: must be a section"),
    "subnet of one address": (changed("network", "cidr", to="10.20.30.11/32"), "network.vip: 10.20.30.100 is not"),
    "MAC that is none": (changed("nodes", 0, "mac", to="52:54:00:00:00"), "nodes[0].mac:"),
    "too little memory": (changed("nodes", 0, "memory_mib", to=128), "nodes[0].memory_mib:"),
    "no processor": (changed("nodes", 0, "vcpus", to=0), "nodes[0].vcpus:"),
    "subnet with host bits": (changed("network", "cidr", to="10.20.30.7/24"), "network.cidr:"),
    "unknown pgpool version": (changed("pgpool", "version", to="4.99.0"), "pgpool.version: unknown pgpool version"),
    "pgpool series instead of a release": (changed("pgpool", "version", to="4.3"), "pgpool.version: unknown pgpool"),
    "pgpool that the distribution has not": (
        changed("pgpool", "version", to="4.5.0"),
        "pgpool.version: debian12's source package has 4.3.5, not 4.5.0; give that version's tarball",
    ),
    "PostgreSQL that the distribution has not": (
        changed("postgresql", "version", to="9.6"),
        "postgresql.version: debian12's own packages have PostgreSQL 15, not 9.6",
    ),
    "source of PostgreSQL that is none": (
        changed("postgresql", "source", to="maven:group:artifact"),
        "postgresql.source: must be 'distribution', 'project', 'path:FILE', 'url:ADDRESS' (with sha256) or 'maven:",
    ),
    "address of PostgreSQL without checksum": (
        changed("postgresql", "source", to="url:https://host/p.txz"),
        "postgresql: a source 'url:…' needs postgresql.sha256",
    ),
    "scram with a pgpool that cannot": (
        changed("pgpool", to={"version": "3.7.26", "source": "path:pgpool.tar.gz"}),
        "auth: pgpool 3.7.26 does not know scram; choose md5 or trust",
    ),
    "parameter of a later version": (
        changed("pgpool", "parameters", to={"log_backend_messages": "terse"}),
        "pgpool.parameters: log_backend_messages: pgpool 4.3.5 has no such parameter (came with 4.6)",
    ),
    "unknown PostgreSQL version": (
        changed("postgresql", "version", to="8"),
        "postgresql.version: unknown PostgreSQL version '8'; known: ",
    ),
    "PostgreSQL version as a number": (changed("postgresql", "version", to=15), "postgresql.version:"),
    "unknown distribution": (
        changed("image", "distribution", to="debian3"),
        "image.distribution: unknown distribution 'debian3'; known: debian12",
    ),
    "unknown preset": (
        changed("pgpool", "timing_preset", to="slow"),
        "pgpool.timing_preset: unknown timing preset 'slow'; known: fast, procedure",
    ),
    "unknown key": (changed("vip", to="10.20.30.100"), "vip: unknown key"),
    "unknown key in a section": (changed("pgpool", "prot", to=9999), "pgpool.prot: unknown key"),
    "unknown key of a node": (changed("nodes", 1, "memory", to=768), "nodes[1].memory: unknown key"),
    "no nodes": (without("nodes"), "nodes: missing"),
    "no network": (without("network"), "network: missing"),
    "no VIP": (without("network", "vip"), "network.vip: missing"),
    "node without MAC": (without("nodes", 1, "mac"), "nodes[1].mac: missing"),
    "one node": (without("nodes", 1), "nodes: a lab needs at least two nodes, 1 given"),
    "empty list of nodes": (changed("nodes", to=[]), "nodes: a lab needs at least two nodes, 0 given"),
    "unknown kind of source": (changed("pgpool", "source", to="git:main"), "pgpool.source: must be"),
    "path without a file": (changed("pgpool", "source", to="path:"), "pgpool.source: must be"),
    "address without checksum": (changed("pgpool", "source", to="url:https://host/p.tar.gz"), "pgpool.sha256"),
    "checksum that is none": (changed("pgpool", "sha256", to="abc"), "pgpool.sha256:"),
    "port out of range": (changed("pgpool", "port", to=65536), "pgpool.port:"),
    "pgpool on PostgreSQL's port": (
        changed("pgpool", "port", to=5432),
        "pgpool.port: 5432 is already taken by postgresql.port",
    ),
    "PCP on pgpool's port": (
        changed("pgpool", "pcp_port", to=9999),
        "pgpool.pcp_port: 9999 is already taken by pgpool.port",
    ),
    "watchdog on PCP's port": (
        changed("pgpool", "wd_port", to=9898),
        "pgpool.wd_port: 9898 is already taken by pgpool.pcp_port",
    ),
    "a distribution that is not built": (
        changed("image", to={"distribution": "centos7"}),
        "image: the lab builds images of debian12 only; for centos7 give a cloud image with image.source",
    ),
    "an image from nowhere": (changed("image", to={"source": "centos.qcow2"}), "image.source: must be 'path:FILE'"),
    "an image's address without its checksum": (
        changed("image", to={"source": "url:https://host/centos.qcow2"}),
        "image: a source 'url:…' needs image.sha256",
    ),
    "unknown authentication": (changed("auth", to="ldap"), "auth:"),
    "unknown mesh": (changed("ssh_mesh", to="none"), "ssh_mesh:"),
    "unknown replication": (changed("postgresql", "replication", to="logical"), "postgresql.replication:"),
    "unknown domain type": (changed("domain_type", to="xen"), "domain_type:"),
    "parameter that is a list": (changed("pgpool", "parameters", to={"max_pool": [1]}), "pgpool.parameters.max_pool"),
    "section that is a text": (changed("pgpool", to="4.3.5"), "pgpool:"),
    "a witness that is neither true nor false": (changed("witness", to="perhaps"), "witness:"),
    "a witness of three nodes": (with_nodes("a", "b", "c"), "witness: 3 nodes have a majority without one"),
    "a witness beside a node of its name": (
        with_nodes("a", "witness"),
        "witness: its name is taken by nodes[1].name; give that node another one",
    ),
    "a witness without an address": (
        with_nodes("a", "b", "c", "d", cidr="10.20.30.8/29", vip="10.20.30.10"),
        "witness: network.cidr 10.20.30.8/29 has no address left for it",
    ),
    "a witness of a pgpool without votes": (
        with_nodes("a", "b")
        | {"pgpool": {"version": "3.4.26", "source": "path:p.tar.gz"}, "auth": "md5"}
        | {"postgresql": {"version": "9.6", "source": "path:postgresql.txz"}},
        "witness: pgpool 3.4.26 knows no quorum, which came with 3.5; leave it out",
    ),
}


@pytest.mark.parametrize(("values", "expected"), BAD.values(), ids=BAD.keys())
def test_a_bad_value_is_refused_by_its_key(values: Values, expected: str) -> None:
    with pytest.raises(LabError) as raised:
        from_mapping(values, "stacks/Pulumi.mine.yaml")
    assert f"\n  {expected}" in raised.value.problem or f" {expected}" in raised.value.problem
    assert raised.value.problem.startswith("stacks/Pulumi.mine.yaml is not a valid lab:\n")
    assert "stacks/Pulumi.mine.yaml" in raised.value.remedy


ALONE: dict[str, Values] = {
    "node with a mistake": changed("nodes", 0, "mac", to="52:54:00:00:00"),
    "node with an unknown key": changed("nodes", 0, "colour", to="red"),
    "one node": changed("nodes", to=VALID["nodes"][:1]),
    "parameter that is a list": changed("pgpool", "parameters", to={"health_check_period": [1]}),
    "parameter without value": changed("pgpool", "parameters", to={"health_check_period": None}),
    "parameter with a fraction": changed("pgpool", "parameters", to={"health_check_period": 0.5}),
}


@pytest.mark.parametrize("values", ALONE.values(), ids=ALONE.keys())
def test_one_mistake_is_told_once(values: Values) -> None:
    with pytest.raises(LabError) as raised:
        from_mapping(values, "file")
    assert len(raised.value.problem.splitlines()) == 2


def test_several_mistakes_are_told_together() -> None:
    values = changed("pgpool", "version", to="0") | {"auth": "ldap"}
    with pytest.raises(LabError) as raised:
        from_mapping(values, "file")
    assert "\n  pgpool.version: " in raised.value.problem
    assert "\n  auth: " in raised.value.problem


GOOD: dict[str, tuple[Values, Callable[[LabSettings], bool]]] = {
    "address with checksum": (
        changed("pgpool", to={"source": "url:https://host/p.tar.gz", "sha256": "0" * 64}),
        lambda settings: settings.pgpool.sha256 == "0" * 64,
    ),
    "synchronous replication": (
        changed("postgresql", "replication", to="sync"),
        lambda settings: settings.postgresql.replication == "sync",
    ),
    "override of a timing": (
        changed("pgpool", "parameters", to={"health_check_period": 7, "max_pool": 5}),
        lambda settings: (
            settings.pgpool.timings["health_check_period"] == 7 and "max_pool" not in settings.pgpool.timings
        ),
    ),
    "a pgpool of one's own": (
        changed("pgpool", to={"version": "4.5.0", "source": "path:pgpool.tar.gz"}),
        lambda settings: settings.pgpool.version == "4.5.0",
    ),
    "timings of a version without heartbeat": (
        changed("pgpool", to={"version": "3.2.22", "source": "path:pgpool.tar.gz"}) | {"auth": "md5"},
        lambda settings: (
            settings.pgpool.timings.get("wd_life_point") == 20
            and settings.pgpool.timings["fail_over_on_backend_error"] is True
            and "wd_heartbeat_deadtime" not in settings.pgpool.timings
        ),
    ),
    "switched parameter": (
        changed("pgpool", "parameters", to={"load_balance_mode": False}),
        lambda settings: settings.pgpool.parameters == {"load_balance_mode": False},
    ),
    "preset of the runbook": (
        changed("pgpool", "timing_preset", to="procedure"),
        lambda settings: settings.pgpool.timings["wd_heartbeat_deadtime"] == 30,
    ),
}


@pytest.mark.parametrize(("values", "holds"), GOOD.values(), ids=GOOD.keys())
def test_what_may_be_set_takes_effect(values: Values, holds: Callable[[LabSettings], bool]) -> None:
    assert holds(from_mapping(values, "file"))
    assert not holds(from_mapping(VALID, "file"))


WITNESSES: dict[str, tuple[Values, str, str]] = {
    "the first address after the gateway": (with_nodes("a", "b"), "10.20.30.2", "52:54:00:00:00:00"),
    "what is taken is left out": (
        with_nodes("a", "b", cidr="10.20.30.8/29", vip="10.20.30.10"),
        "10.20.30.13",
        "52:54:00:00:00:00",
    ),
    "a MAC of a node is left out": (
        with_nodes("a", "b")
        | {"nodes": [node | {"mac": f"52:54:00:00:00:0{i}"} for i, node in enumerate(VALID["nodes"])]},
        "10.20.30.2",
        "52:54:00:00:00:02",
    ),
}


@pytest.mark.parametrize(("values", "ip", "mac"), WITNESSES.values(), ids=WITNESSES.keys())
def test_a_witness_is_a_small_machine_at_a_free_address(values: Values, ip: str, mac: str) -> None:
    settings = from_mapping(values, "file")
    witness = settings.witness_machine
    assert witness is not None
    assert (witness.name, str(witness.ip), witness.mac) == ("witness", ip, mac)
    assert (witness.memory_mib, witness.vcpus) == (512, 1)
    assert settings.machines == (*settings.nodes, witness)
    assert settings.memory_mib == 2 * 768 + 512


def test_there_is_no_witness_unless_it_is_asked_for() -> None:
    settings = from_mapping(VALID, "file")
    assert (settings.witness, settings.witness_machine, settings.machines) == (False, None, settings.nodes)
    assert from_engine({**as_engine(TWO_NODE), "pgpool-lab:witness": "true"}, "engine").witness is True


def as_engine(path: Path) -> dict[str, str]:
    """A stack file as the engine hands it to the program: flat, nested values as JSON."""
    config = yaml.safe_load(path.read_text())["config"]
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


@pytest.mark.parametrize("path", sorted((PROJECT / "stacks").glob("*.yaml")), ids=lambda path: path.name)
def test_every_stack_file_is_valid_and_the_same_through_the_engine(path: Path) -> None:
    assert from_engine(as_engine(path), "origin") == from_stack_file(path)


def test_the_two_node_stack_is_the_one_of_the_runbook() -> None:
    settings = from_stack_file(TWO_NODE)
    assert [(node.name, str(node.ip)) for node in settings.nodes] == [
        ("node0", "192.168.31.133"),
        ("node4", "192.168.31.134"),
    ]
    assert str(settings.network.vip) == "192.168.31.139"


def test_the_three_node_stack_has_the_runbook_s_third_node_and_macs_of_its_own() -> None:
    settings, two = from_stack_file(THREE_NODE), from_stack_file(TWO_NODE)
    assert [(node.name, str(node.ip)) for node in settings.nodes] == [
        *[(node.name, str(node.ip)) for node in two.nodes],
        ("node5", "192.168.31.135"),
    ]
    assert settings.network == two.network
    assert not {node.mac for node in settings.nodes} & {node.mac for node in two.nodes}


def test_the_engine_s_other_namespaces_are_left_alone() -> None:
    config = as_engine(TWO_NODE)
    assert from_engine({**config, "libvirt:uri": "qemu:///session"}, "origin") == from_engine(config, "origin")


def test_an_unknown_key_from_the_engine_is_refused() -> None:
    with pytest.raises(LabError, match="pgpol: unknown key"):
        from_engine({**as_engine(TWO_NODE), "pgpool-lab:pgpol": '{"port": 1}'}, "origin")


def test_a_misspelt_namespace_from_the_engine_is_refused() -> None:
    with pytest.raises(LabError, match=r"pgpol-lab:auth: unknown key\n.*pgpool-lab:auth"):
        from_engine({**as_engine(TWO_NODE), "pgpol-lab:auth": "trust"}, "origin")


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = from_mapping(VALID, "file")
    with pytest.raises(ValueError, match="frozen"):
        settings.auth = "trust"


def test_a_stack_that_does_not_exist_names_the_ones_that_do(tmp_path: Path) -> None:
    for name in ("two-node", "three-node"):
        (tmp_path / f"Pulumi.{name}.yaml").touch()
    with pytest.raises(LabError) as raised:
        from_stack_file(tmp_path / "Pulumi.four-node.yaml")
    assert "'four-node'" in raised.value.problem
    assert str(tmp_path / "Pulumi.four-node.yaml") in raised.value.problem
    assert "three-node, two-node" in raised.value.remedy


UNREADABLE: dict[str, bytes] = {
    "broken YAML": b"config:\n  - [",
    "not text": b"config:\n  pgpool-lab:auth: \xff\xfe\n",
    "empty": b"",
    "a list": b"- config\n",
    "no configuration": b"encryptionsalt: v1\n",
    "a configuration that is a text": b"config: none\n",
    "key without namespace": b"config:\n  network: {}\n",
    "no known key": b"config: {}\n",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_stack_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "Pulumi.mine.yaml"
    path.write_bytes(content)
    with pytest.raises(LabError) as raised:
        from_stack_file(path)
    assert str(path) in raised.value.problem
    assert raised.value.remedy


def test_a_folder_in_the_place_of_a_stack_file_is_not_called_missing(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.mine.yaml"
    path.mkdir()
    with pytest.raises(LabError, match=r"cannot read .*Pulumi\.mine\.yaml: .*directory"):
        from_stack_file(path)


@pytest.mark.parametrize("key", ["network", "pgpol-lab:network"])
def test_a_key_without_the_namespace_says_how_to_write_it(key: str, tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.mine.yaml"
    path.write_text(f"config:\n  {key}: {{}}\n")
    with pytest.raises(LabError, match=rf"{key}: unknown key\n.*pgpool-lab:network"):
        from_stack_file(path)


SCHEMA: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]
SECTIONS: dict[str, type[Settings]] = {
    "nodes": NodeSettings,
    "image": ImageSettings,
    "postgresql": PostgresqlSettings,
    "pgpool": PgpoolSettings,
}


def test_the_project_file_declares_exactly_the_model_s_keys() -> None:
    assert set(SCHEMA) == set(LabSettings.model_fields)
    required = {name for name, field in LabSettings.model_fields.items() if field.is_required()}
    assert {name for name, entry in SCHEMA.items() if "default" not in entry} == required


@pytest.mark.parametrize("key", [key for key, entry in SCHEMA.items() if "default" in entry])
def test_a_declared_default_is_the_model_s(key: str) -> None:
    declared = from_mapping({**VALID, key: SCHEMA[key]["default"]}, "Pulumi.yaml")
    assert getattr(declared, key) == getattr(from_mapping(VALID, "file"), key)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_description_of_a_section_tells_every_key_and_default(section: str) -> None:
    description = SCHEMA[section]["description"]
    for name, field in SECTIONS[section].model_fields.items():
        assert name in description
        if not field.is_required() and field.default not in (None, {}):
            assert f"({field.default})" in description, name


@pytest.mark.parametrize("preset", ["procedure", "fast"])
@pytest.mark.parametrize("version", ["3.2.9", "4.3.5"])
def test_a_preset_is_known_by_the_timings_in_force(preset: str, version: str) -> None:
    timings = PgpoolSettings(version=version, timing_preset=preset).timings
    assert preset_of(timings) == preset
    assert preset_of(timings | {"wd_interval": 7}) == OWN
    assert preset_of({}) == OWN
