"""The whole program under a recording engine: what is created, in which order, what is secret, what is replaced."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from typing import Any

import pulumi
import pytest

from components.node.volumes import SHEET
from pgpool_lab.cluster.outputs import from_json
from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor import connection
from pgpool_lab.image.recipe import ImageRecipe
from pgpool_lab.settings import from_mapping
from tests.program.conftest import configuration, recorded
from tests.program.engine import (
    PASSWORDS,
    PRIVATE_KEY,
    Recording,
    Registration,
    is_secret,
    plain_texts,
    run_program,
    uncovered,
)

REMOTE = "command:remote:Command"
LOCAL = "command:local:Command"
VOLUME = "libvirt:index/volume:Volume"
DOMAIN = "libvirt:index/domain:Domain"
STASH = "pulumi:index:Stash"

WHOLE_CLUSTER = ("join", "serve")
"""Commands that act on all nodes from the first one."""
PER_NODE = (
    "{0}-ready",
    "ssh-mesh-keys-{0}",
    "ssh-mesh-trust-{0}",
    "ssh-mesh-check-{0}",
    "agent-{0}-files",
    "postgres-{0}-files",
    "pgpool-{0}-files",
)


def names(size: int) -> list[str]:
    return [f"node{index}" for index in range(size)]


def remote(lab: Recording) -> list[Registration]:
    return lab.of_type(REMOTE)


def test_what_runs_on_this_machine_needs_no_python_on_the_path(lab: Recording) -> None:
    modules = [
        text
        for command in lab.of_type(LOCAL)
        for name in ("create", "update", "delete")
        if "pgpool_lab." in (text := command.inputs.get(name) or "")
    ]
    assert modules
    for text in modules:
        assert text.split()[1:3] == [sys.executable, "-m"], text


def of_node(command: Registration) -> str:
    """The node whose address a command dials."""
    return f"node{int(command.plain('connection')['host'].rpartition('.')[2]) - 10}"


# What is created


def test_every_node_has_its_machine_disks_and_commands(lab: Recording, size: int) -> None:
    nodes = names(size)
    assert sorted(item.name for item in lab.of_type(DOMAIN)) == nodes
    disks = [f"{node}-{kind}" for node in nodes for kind in ("data", "root", "cloud-init")]
    image = f"image-{ImageRecipe.of(from_mapping(configuration(size), 'test')).content_hash()[:12]}"
    assert sorted(item.name for item in lab.of_type(VOLUME)) == sorted([image, *disks])
    commands = [pattern.format(node) for node in nodes for pattern in PER_NODE]
    assert sorted(item.name for item in remote(lab)) == sorted([*commands, *WHOLE_CLUSTER])


def test_the_lab_has_one_network_pool_image_and_identity(lab: Recording, size: int) -> None:
    assert len(lab.of_type("libvirt:index/network:Network")) == 1
    assert len(lab.of_type("libvirt:index/pool:Pool")) == 1
    assert len(lab.of_type("pulumi:providers:libvirt")) == 1
    assert sorted(item.name for item in lab.of_type(LOCAL)) == sorted(
        ["image-build", "identity-passwords", "identity-operator", "identity-operator-file", "identity-known-hosts"]
        + [
            f"{kind}{node}{end}"
            for node in names(size)
            for kind, end in (("identity-host-key-", ""), ("", "-cloud-init-file"))
        ]
    )


def test_nothing_else_is_registered(lab: Recording) -> None:
    assert {item.type for item in lab.custom()} == {
        REMOTE,
        LOCAL,
        VOLUME,
        DOMAIN,
        STASH,
        "libvirt:index/network:Network",
        "libvirt:index/pool:Pool",
        "pulumi:providers:libvirt",
    }


def test_each_machine_boots_its_own_disks_with_its_own_address(lab: Recording, size: int) -> None:
    for index, node in enumerate(names(size)):
        domain = lab.named(node, DOMAIN)
        disks = ("root", "data", "cloud-init")
        assert domain.plain("disks") == [{"volumeId": f"id-of-{node}-{kind}"} for kind in disks]
        assert domain.plain("networkInterfaces")[0]["mac"] == f"52:54:00:31:00:{10 + index}"
        assert domain.plain("type") == "qemu"
        seed = json.loads(lab.named(f"{node}-cloud-init-file").plain("stdin"))
        assert f"192.168.31.{10 + index}/24" in seed["network-config"]
        assert f"identity-host-key-{node}\n" in seed["user-data"]


def test_a_machine_s_disks_are_its_owner_s_alone_and_its_data_outlive_a_change_of_that(lab: Recording) -> None:
    disks = [volume for volume in lab.of_type(VOLUME) if not volume.name.startswith("image-")]
    assert disks and all(disk.plain("xml") == {"xslt": SHEET} for disk in disks)
    assert {disk.name.rpartition("-")[2] for disk in disks if disk.ignored_changes == ("xml",)} == {"data"}


def test_nobody_leases_addresses_on_the_lab_s_network(lab: Recording) -> None:
    (network,) = lab.of_type("libvirt:index/network:Network")
    assert network.plain("dhcp") == {"enabled": False}
    assert network.plain("mode") == "none"
    assert len(network.plain("bridge")) <= 15


# Order


def test_the_join_waits_for_trust_and_files_on_every_node(lab: Recording, size: int) -> None:
    before = lab.before(lab.named("join"))
    for node in names(size):
        assert {f"ssh-mesh-trust-{node}", f"agent-{node}-files", f"postgres-{node}-files"} <= before


def test_pgpool_starts_after_the_join_and_its_files(lab: Recording, size: int) -> None:
    before = lab.before(lab.named("serve"))
    assert {"join", *[f"pgpool-{node}-files" for node in names(size)]} <= before


def test_trust_waits_for_every_node_s_keys(lab: Recording, size: int) -> None:
    keys = {f"ssh-mesh-keys-{node}" for node in names(size)}
    for node in names(size):
        assert keys <= lab.before(lab.named(f"ssh-mesh-trust-{node}"))


def test_pairs_are_tried_when_every_node_trusts_the_others(lab: Recording, size: int) -> None:
    trusted = {f"ssh-mesh-trust-{node}" for node in names(size)}
    for node in names(size):
        assert trusted <= lab.before(lab.named(f"ssh-mesh-check-{node}"))


def test_the_wait_until_all_agree_comes_last(lab: Recording) -> None:
    serve = lab.named("serve")
    checks = {item.name for item in remote(lab) if item.name.startswith("ssh-mesh-check")}
    assert checks
    assert lab.before(serve) >= {item.name for item in remote(lab)} - {"serve"} - checks
    # The check of the key mesh is expensive: it does not stand in the way.
    assert {item.name for item in lab.custom() if serve.urn in item.dependencies} == checks


def test_nothing_is_sent_to_a_node_that_is_not_ready(lab: Recording) -> None:
    for command in remote(lab):
        if not command.name.endswith("-ready"):
            assert f"{of_node(command)}-ready" in lab.before(command), command.name


def test_nodes_are_set_up_at_the_same_time(lab: Recording, size: int) -> None:
    for node in names(size):
        others = {f"{other}-ready" for other in names(size) if other != node}
        for kind in ("agent", "postgres"):
            assert not others & lab.before(lab.named(f"{kind}-{node}-files"))


# What is replaced, and what is kept


def test_the_data_disk_depends_on_the_pool_alone(lab: Recording, size: int) -> None:
    (pool,) = lab.of_type("libvirt:index/pool:Pool")
    for node in names(size):
        assert lab.before(lab.named(f"{node}-data")) == {pool.name}
        assert not lab.named(f"{node}-data").replace_with


def test_a_new_image_changes_the_root_disks_and_never_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_program(configuration(2))
    monkeypatch.setattr(ImageRecipe, "content_hash", lambda recipe: "f" * 64)
    after = run_program(configuration(2))
    for node in names(2):
        assert after.named(f"{node}-data").inputs == before.named(f"{node}-data").inputs
        assert after.named(f"{node}-root").inputs != before.named(f"{node}-root").inputs
        assert after.named(f"{node}-root").plain("name") == f"{node}-root-ffffffffffff.qcow2"
    assert after.named("image-build").plain("triggers") != before.named("image-build").plain("triggers")


def test_a_changed_cloud_init_replaces_root_disk_and_machine(lab: Recording, size: int) -> None:
    for node in names(size):
        seed, root, domain = lab.named(f"{node}-cloud-init"), lab.named(f"{node}-root"), lab.named(node, DOMAIN)
        assert root.replace_with == (seed.urn,)
        assert domain.replace_with == (root.urn,)


def test_a_machine_is_deleted_before_it_is_made_anew(lab: Recording) -> None:
    for domain in lab.of_type(DOMAIN):
        assert domain.delete_before_replace
        assert {"networkInterfaces", "memory", "vcpu"} <= set(domain.replace_on_changes)
    for item in (item for item in lab.of_type(VOLUME) if item.name.endswith(("-root", "-cloud-init"))):
        assert item.delete_before_replace, "its name stays the same"


def test_a_node_s_commands_go_with_its_machine(lab: Recording, size: int) -> None:
    for node in names(size):
        domain = lab.named(node, DOMAIN)
        for pattern in PER_NODE:
            command = lab.named(pattern.format(node))
            assert command.deleted_with == domain.urn, command.name
            assert command.plain("triggers") == [f"id-of-{node}"], command.name


def test_a_replaced_machine_makes_the_cluster_s_steps_run_again(lab: Recording, size: int) -> None:
    for name in WHOLE_CLUSTER:
        given = json.loads(lab.named(name).plain("stdin"))
        assert given["machines"] == {node: f"id-of-{node}" for node in names(size)}
        # Two digests of each node's settings for PostgreSQL, and one of its pgpool's.
        assert len(given["also"]) == size * (3 if name == "serve" else 2)
        assert "triggers" not in lab.named(name).inputs


def test_an_update_of_the_join_knows_that_there_was_a_cluster(lab: Recording) -> None:
    join = lab.named("join")
    assert join.plain("create").endswith("lab-node join")
    assert join.plain("update").endswith("lab-node join --initialised")


# What an update is refused for


def hooked(lab: Recording, resource: Registration, old: Any = None, *, preview: bool = True) -> None:
    """Call a resource's hook as the engine does before an update."""
    arguments = pulumi.ResourceHookArgs(
        resource.urn,
        "",
        resource.name,
        resource.type,
        old_inputs={"input": old},
        new_inputs={"input": resource.plain("input")},
    )
    for name in resource.before_update:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pulumi.runtime, "is_dry_run", lambda: preview)
            patch.setattr(signal, "signal", lambda *_: None)
            lab.hooks[name](arguments)


def test_the_record_of_a_machine_changes_after_the_machine(lab: Recording, size: int) -> None:
    for node in names(size):
        record = lab.named(f"{node}-machine")
        assert lab.named(node, DOMAIN).urn in record.dependencies
        assert not record.deleted_with, "a lost machine leaves its record as it is"
        (options,) = [lab.hooks[name].opts for name in record.before_update]
        assert options is not None
        assert options.on_dry_run


def test_the_preview_of_an_update_that_replaces_two_machines_fails() -> None:
    lab = run_program(configuration(3))
    hooked(lab, lab.named("node2-machine"))
    hooked(lab, lab.named("node2-machine"))
    with pytest.raises(LabError, match=r"node0 and node2 at once.*\n.*\./lab up two-node"):
        hooked(lab, lab.named("node0-machine"))
    # Machines that are down already: without a preview.
    hooked(lab, lab.named("node0-machine"), preview=False)


MACHINE: dict[str, tuple[dict[str, Any], set[str]]] = {
    "memory": ({"memory_mib": 1024}, {"node0"}),
    "processors": ({"vcpus": 2}, {"node0"}),
    "network card": ({"mac": "52:54:00:31:00:99"}, {"node0"}),
    "address": ({"ip": "192.168.31.20"}, {"node0", "node1"}),
}
"""Changes of node0's settings, and whose machine they replace; every machine knows everybody's address."""


@pytest.mark.parametrize(("change", "replaced"), MACHINE.values(), ids=MACHINE.keys())
def test_the_record_tells_when_a_machine_is_replaced(change: dict[str, Any], replaced: set[str]) -> None:
    config = configuration(2)
    config["nodes"][0] |= change
    assert different_machines(run_program(config)) == replaced


def test_another_image_or_way_to_run_replaces_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert different_machines(run_program(configuration(2) | {"domain_type": "kvm"})) == {"node0", "node1"}
    monkeypatch.setattr(ImageRecipe, "content_hash", lambda recipe: "f" * 64)
    assert different_machines(run_program(configuration(2))) == {"node0", "node1"}


def test_settings_of_the_services_replace_no_machine() -> None:
    config = configuration(2) | {"postgresql": {"port": 5433, "replication": "sync"}, "pgpool": {"port": 9998}}
    assert different_machines(run_program(config)) == set()


def different_machines(lab: Recording) -> set[str]:
    """Nodes whose machine's record differs from that of the lab of two nodes."""
    return {
        node for node in names(2) if lab.named(f"{node}-machine").inputs != recorded(2).named(f"{node}-machine").inputs
    }


KEPT: dict[str, tuple[dict[str, str], str | None]] = {
    "nothing": ({}, None),
    "version": ({"postgresql.version": "14"}, "postgresql.version: 14 cannot become 15"),
    "distribution": ({"image.distribution": "debian11"}, "image.distribution: debian11 cannot become debian12"),
    "the files' owner": (
        {"image.source": "a cloud image"},
        "image.source: a cloud image cannot become the lab's own image",
    ),
    "stored passwords": ({"auth": "md5"}, "auth: md5 cannot become scram or trust"),
}
"""What the state recorded in place of the present settings, and the refusal."""


@pytest.mark.parametrize(("before", "expected"), KEPT.values(), ids=KEPT.keys())
def test_what_the_data_depend_on_is_kept(before: dict[str, str], expected: str | None) -> None:
    lab = recorded(2)
    kept = lab.named("kept-settings")
    old = kept.plain("input") | before
    if expected is None:
        hooked(lab, kept, old)
    else:
        with pytest.raises(LabError, match=rf"{expected}.*\n.*lab down two-node"):
            hooked(lab, kept, old)


def test_a_setting_that_was_not_recorded_may_be_anything() -> None:
    lab = recorded(2)
    hooked(lab, lab.named("kept-settings"), {})


def test_passwords_stored_for_scram_serve_trust_as_well() -> None:
    trust = run_program(configuration(2) | {"auth": "trust"}).named("kept-settings")
    assert trust.inputs == recorded(2).named("kept-settings").inputs
    md5 = run_program(configuration(2) | {"auth": "md5"}).named("kept-settings")
    assert md5.inputs != trust.inputs


def test_kept_settings_go_before_the_machines(lab: Recording, size: int) -> None:
    for node in names(size):
        for name in (f"{node}-cloud-init", f"{node}-root", node, f"{node}-ready"):
            found = [item for item in lab.custom() if item.name == name]
            assert all("kept-settings" in lab.before(item) for item in found)


def test_another_image_is_another_resource_beside_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageRecipe, "content_hash", lambda recipe: "f" * 64)
    after = run_program(configuration(2))
    assert after.named("image-ffffffffffff").plain("name") == "base-ffffffffffff.qcow2"
    assert "image-ffffffffffff" not in {item.name for item in recorded(2).custom()}


def test_what_was_generated_once_is_handed_on_by_an_update(lab: Recording) -> None:
    for command in lab.of_type(LOCAL):
        if command.secret_outputs:
            assert command.plain("update") == 'printf %s "$PULUMI_COMMAND_STDOUT"', command.name
            assert "triggers" not in command.inputs
            assert "addPreviousOutputInEnv" not in command.inputs


def test_a_changed_setting_changes_the_stdin_that_restarts_pgpool() -> None:
    before = run_program(configuration(2))
    after = run_program(configuration(2) | {"pgpool": {"parameters": {"max_pool": 7}}})
    assert after.named("serve").plain("stdin") != before.named("serve").plain("stdin")
    assert after.named("join").plain("stdin") == before.named("join").plain("stdin")


SETTINGS: dict[str, tuple[dict[str, Any], dict[str, set[str]]]] = {
    "port": (
        {"postgresql": {"port": 5433}},
        {"postgresql.conf": {"port = 5433"}, "node.json": {'"port": 5433'}, "pgpool.conf": {"backend_port1 = 5433"}},
    ),
    "replication": ({"postgresql": {"replication": "sync"}}, {"node.json": {'"replication": "sync"'}}),
    "auth": ({"auth": "trust"}, {"pg_hba.conf": {"trust"}, "pgpool.conf": {"enable_pool_hba = off"}}),
}
"""Changes of PostgreSQL's settings, and what must be in which file of every node then."""


@pytest.mark.parametrize(("change", "expected"), SETTINGS.values(), ids=SETTINGS.keys())
def test_changed_settings_of_postgresql_are_written_and_then_taken(
    change: dict[str, Any], expected: dict[str, set[str]]
) -> None:
    before, after = recorded(2), run_program(configuration(2) | change)
    for name in WHOLE_CLUSTER:
        assert after.named(name).plain("stdin") != before.named(name).plain("stdin"), "it runs again"
    for node in names(2):
        kinds = ("agent", "postgres", "pgpool")
        written = [json.loads(after.named(f"{kind}-{node}-files").plain("stdin")) for kind in kinds]
        files = {file["path"].rpartition("/")[2]: file["content"] for entries in written for file in entries}
        for file, texts in expected.items():
            assert all(text in files[file] for text in texts), file


def test_settings_of_pgpool_alone_leave_postgresql_alone() -> None:
    after = run_program(configuration(2) | {"pgpool": {"parameters": {"max_pool": 7}}})
    assert after.named("join").inputs == recorded(2).named("join").inputs


def test_a_fourth_node_leaves_the_generated_secrets_of_the_others_alone() -> None:
    three, four = run_program(configuration(3)), run_program(configuration(4))
    for command in three.of_type(LOCAL):
        if command.secret_outputs:
            assert four.named(command.name).inputs == command.inputs


# Secrets


def test_every_remote_command_pins_the_host_key_of_the_node_that_it_dials(lab: Recording) -> None:
    for command in remote(lab):
        connection = command.plain("connection")
        assert connection["hostKey"] == f"ssh-ed25519 public-identity-host-key-{of_node(command)}", command.name
        assert connection["privateKey"].startswith(PRIVATE_KEY)


def test_a_connection_is_secret(lab: Recording) -> None:
    for command in remote(lab):
        assert command.is_secret("connection"), command.name


def test_what_the_identity_prints_is_secret_and_not_logged(lab: Recording, size: int) -> None:
    generated = ["identity-passwords", "identity-operator", *[f"identity-host-key-{node}" for node in names(size)]]
    for name in generated:
        command = lab.named(name)
        assert command.secret_outputs == ("stdout",)
        assert command.plain("logging") == "none"


def test_no_secret_is_an_input_without_being_marked(lab: Recording) -> None:
    found = 0
    for item in lab.resources:
        for text in plain_texts(item.inputs):
            assert not any(secret in text for secret in (*PASSWORDS.values(), PRIVATE_KEY)), item.name
        found += PRIVATE_KEY in json.dumps(uncovered(item.inputs))
    assert found > len(remote(lab)), "the search finds the keys where they are marked"


def test_files_with_passwords_travel_by_a_secret_standard_input(lab: Recording, size: int) -> None:
    for node in names(size):
        for kind in ("agent", "postgres", "pgpool"):
            command = lab.named(f"{kind}-{node}-files")
            assert any(password in command.plain("stdin") for password in PASSWORDS.values())
            assert command.is_secret("stdin")
            assert command.plain("logging") == "none"


def test_no_secret_is_in_a_command_line_or_environment(lab: Recording) -> None:
    for item in [*remote(lab), *lab.of_type(LOCAL)]:
        words = {name: uncovered(item.inputs.get(name, "")) for name in ("create", "update", "delete", "environment")}
        for secret in (*PASSWORDS.values(), PRIVATE_KEY):
            assert secret not in json.dumps(words), item.name


def test_the_seed_with_the_private_host_key_is_secret(lab: Recording, size: int) -> None:
    for node in names(size):
        seed = lab.named(f"{node}-cloud-init-file")
        assert PRIVATE_KEY in json.loads(seed.plain("stdin"))["user-data"]
        assert seed.is_secret("stdin")


def test_the_operator_s_files_are_for_the_owner_alone(lab: Recording) -> None:
    command = lab.named("identity-operator-file")
    assert command.is_secret("stdin")
    assert command.plain("create").startswith("umask 077")
    assert command.plain("delete").startswith("rm -f ")


# Stack outputs

OUTPUTS: dict[str, set[str] | None] = {
    "vip": None,
    "dsn": None,
    "dsn_all": None,
    "pgpool_port": None,
    "pcp_port": None,
    "nodes": {
        "name",
        "ip",
        "pg_port",
        "pgpool_port",
        "wd_port",
        "pcp_port",
        "backend_id",
        "data_directory",
        "domain",
        "mac",
        "interface",
        "services",
        "scripts",
    },
    "ssh": {"user", "port", "private_key_path"},
    "network": {"cidr", "gateway", "bridge", "namespace"},
    "libvirt_uri": None,
    "versions": {"distribution", "postgresql", "pgpool"},
    "timings": {"health_check_period", "wd_heartbeat_deadtime"},
    "replication": None,
    "credentials": {"superuser", "replication", "check", "pcp"},
}
"""Names of the outputs, and of the keys in them, that clients rely on."""


def test_the_outputs_have_the_names_that_clients_rely_on(lab: Recording) -> None:
    outputs = uncovered(lab.outputs)
    assert set(outputs) == set(OUTPUTS)
    for name, keys in OUTPUTS.items():
        for entry in outputs[name] if name == "nodes" else [outputs[name]]:
            assert keys is None or keys <= set(entry), name


def test_the_client_reads_the_outputs(lab: Recording, size: int) -> None:
    outputs = from_json(json.dumps(uncovered(lab.outputs)), "the stack")
    assert [node.name for node in outputs.nodes] == names(size)
    assert [node.backend_id for node in outputs.nodes] == list(range(size))
    assert outputs.node("node1").interface == "enp1s0"
    assert outputs.credentials.superuser.password == PASSWORDS["superuser"]
    assert outputs.credentials.pcp.user == "pcp"


def test_the_addresses_for_clients_name_the_virtual_ip_first(lab: Recording, size: int) -> None:
    nodes = ",".join(f"192.168.31.{10 + index}" for index in range(size))
    assert lab.outputs["dsn"] == "host=192.168.31.139 port=9999 user=postgres dbname=postgres"
    assert lab.outputs["dsn_all"] == f"host=192.168.31.139,{nodes} port=9999 user=postgres dbname=postgres"


def test_the_credentials_are_secret_and_no_other_output_holds_a_password(lab: Recording) -> None:
    assert is_secret(lab.outputs["credentials"])
    assert PASSWORDS["superuser"] in json.dumps(uncovered(lab.outputs))
    for text in plain_texts(lab.outputs):
        assert not any(secret in text for secret in (*PASSWORDS.values(), PRIVATE_KEY))


def test_only_the_credentials_are_secret(lab: Recording) -> None:
    assert [name for name, value in lab.outputs.items() if is_secret(value)] == ["credentials"]


# A witness


@pytest.fixture(scope="module")
def witnessed() -> Recording:
    """The lab of two nodes with a witness."""
    return run_program(configuration(2) | {"witness": True})


def test_a_witness_adds_a_machine_its_files_and_nothing_else(witnessed: Recording) -> None:
    before = {(item.type, item.name) for item in recorded(2).custom()}
    after = {(item.type, item.name) for item in witnessed.custom()}
    assert before - after == set()
    assert after - before == {
        (DOMAIN, "witness"),
        *((VOLUME, f"witness-{kind}") for kind in ("data", "root", "cloud-init")),
        (LOCAL, "witness-cloud-init-file"),
        (LOCAL, "identity-host-key-witness"),
        (STASH, "witness-machine"),
        *((REMOTE, pattern.format("witness")) for pattern in PER_NODE),
    }


def test_a_witness_that_comes_later_replaces_no_machine(witnessed: Recording) -> None:
    assert different_machines(witnessed) == set()
    for node in names(2):
        for name in (f"{node}-cloud-init-file", f"{node}-cloud-init", f"{node}-root", f"{node}-data", f"{node}-ready"):
            assert witnessed.named(name).inputs == recorded(2).named(name).inputs
        assert witnessed.named(node, DOMAIN).inputs == recorded(2).named(node, DOMAIN).inputs


def test_a_witness_is_a_very_small_machine_that_knows_the_nodes(witnessed: Recording) -> None:
    domain = witnessed.named("witness", DOMAIN)
    assert (domain.plain("memory"), domain.plain("vcpu")) == (512, 1)
    assert domain.plain("networkInterfaces")[0]["mac"] == "52:54:00:31:00:00"
    seed = json.loads(witnessed.named("witness-cloud-init-file").plain("stdin"))
    for line in ("192.168.31.10 node0", "192.168.31.11 node1", "192.168.31.2 witness"):
        assert line in seed["user-data"]


def test_the_nodes_enter_the_witness_by_its_name(witnessed: Recording) -> None:
    def client(lab: Recording, node: str) -> str:
        files = json.loads(lab.named(f"ssh-mesh-trust-{node}").plain("stdin"))
        return str(next(file["content"] for file in files if file["path"].endswith("pgpool-lab.conf")))

    for node in (*names(2), "witness"):
        assert client(witnessed, node) == client(recorded(2), "node0") + "Host witness\n    HostName 192.168.31.2\n"
    trusted = json.loads(witnessed.named("ssh-mesh-trust-node0").plain("stdin"))
    known = next(file["content"] for file in trusted if file["path"].endswith("ssh_known_hosts"))
    assert "witness,192.168.31.2 ssh-ed25519 public-identity-host-key-witness" in known.splitlines()


def test_a_witness_is_set_up_before_the_join_and_waited_for(witnessed: Recording) -> None:
    files = {"agent-witness-files", "postgres-witness-files", "ssh-mesh-trust-witness"}
    assert files <= witnessed.before(witnessed.named("join"))
    assert "pgpool-witness-files" in witnessed.before(witnessed.named("serve"))
    assert "id-of-witness" in json.loads(witnessed.named("serve").plain("stdin"))["also"]
    assert list(json.loads(witnessed.named("join").plain("stdin"))["machines"]) == names(2)


def test_a_witness_has_no_server_and_its_own_service(witnessed: Recording) -> None:
    def paths(command: str) -> set[str]:
        return {file["path"] for file in json.loads(witnessed.named(command).plain("stdin"))}

    assert paths("postgres-witness-files") == {"/var/lib/postgresql/.pgpass"}
    units = {path for path in paths("agent-witness-files") if path.endswith(".service")}
    assert units == {"/etc/systemd/system/lab-witness.service"}
    assert paths("agent-witness-files") ^ paths("agent-node0-files") == {
        "/etc/systemd/system/lab-witness.service",
        "/etc/systemd/system/lab-isolation.service",
    }


def test_the_output_tells_of_the_witness(witnessed: Recording) -> None:
    outputs = from_json(json.dumps(uncovered(witnessed.outputs)), "the stack")
    assert outputs.witness is not None
    assert (outputs.witness.name, outputs.witness.ip, outputs.witness.mac) == (
        "witness",
        "192.168.31.2",
        "52:54:00:31:00:00",
    )
    assert outputs.witness.domain.endswith("-witness")
    assert outputs.witness.interface == "enp1s0"
    assert [node.name for node in outputs.nodes] == names(2)
    without = {name: value for name, value in witnessed.outputs.items() if name != "witness"}
    assert without == recorded(2).outputs


# Settings


def test_a_preview_before_anything_exists_registers_the_same(size: int, lab: Recording) -> None:
    preview = run_program(configuration(size), preview=True)
    assert {item.urn for item in preview.resources} == {item.urn for item in lab.resources}


def test_the_service_mesh_keeps_root_out() -> None:
    def keys_of_root(config: dict[str, Any]) -> str:
        command = run_program(config).named("ssh-mesh-trust-node0")
        files = {file["path"]: file["content"] for file in json.loads(command.plain("stdin"))}
        return str(files["/root/.ssh/authorized_keys"])

    operator = "ssh-ed25519 public-identity-operator\n"
    assert keys_of_root(configuration(2) | {"ssh_mesh": "service"}) == operator
    assert set(keys_of_root(configuration(2)).splitlines()) == {
        operator.strip(),
        *[f"ssh-ed25519 {account}-ssh-mesh-keys-{node}" for node in names(2) for account in ("root", "postgres")],
    }


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "VIP is a node's": ({"network": {"cidr": "192.168.31.0/24", "vip": "192.168.31.11"}}, "network.vip"),
    "unknown key": ({"pgpol": {}}, "pgpol: unknown key"),
    "one node": ({"nodes": configuration(1)["nodes"]}, "nodes: a lab needs at least two nodes"),
    "unknown parameter": ({"pgpool": {"parameters": {"max_pol": 7}}}, "max_pol: .*did you mean max_pool"),
    "the lab's own parameter": ({"pgpool": {"parameters": {"delegate_IP": "10.0.0.1"}}}, "network.vip"),
    "unknown version": ({"pgpool": {"version": "9.9"}}, "pgpool.version"),
    "a tarball that is not there": ({"pgpool": {"source": "path:nowhere.tar.gz"}}, "pgpool.source: .*nowhere.tar.gz"),
    "a tarball of another checksum": (
        {"pgpool": {"source": "path:pyproject.toml", "sha256": "0" * 64}},
        "pgpool.sha256: .*pyproject.toml",
    ),
    "a witness of a node's name": (
        {"witness": True, "nodes": [configuration(1)["nodes"][0] | {"name": "witness"}, configuration(2)["nodes"][1]]},
        "witness: .*its name is taken",
    ),
}


@pytest.mark.parametrize(("changes", "expected"), BAD.values(), ids=BAD.keys())
def test_a_bad_setting_ends_the_program_before_anything_is_registered(changes: dict[str, Any], expected: str) -> None:
    recording = Recording()
    with pytest.raises(pulumi.RunError, match=expected):
        run_program(configuration(2) | changes, recording=recording)
    assert recording.resources == []


@pytest.mark.parametrize(
    ("uri", "virsh", "refused"),
    [
        ("qemu:///system", True, True),
        ("qemu+unix:///system?socket=/run/nobody", True, True),
        # What only the provider understands: its own options of a URI, or all of it where there is no virsh.
        ("qemu+ssh://root@192.168.31.2/system?sshauth=privkey", True, False),
        ("qemu:///system", False, False),
    ],
)
def test_a_libvirt_of_this_machine_that_is_not_there_ends_the_program_with_what_helps(
    uri: str, virsh: bool, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "unreachable", lambda uri: "no such socket")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/virsh" if virsh and name == "virsh" else None)
    recording = Recording()
    if not refused:
        run_program(configuration(2) | {"libvirt_uri": uri}, recording=recording)
        assert recording.resources
        return
    with pytest.raises(pulumi.RunError) as raised:
        run_program(configuration(2) | {"libvirt_uri": uri}, recording=recording)
    said = str(raised.value)
    assert said.startswith(f"libvirt_uri: the libvirt at {uri} cannot be reached: no such socket")
    assert "./lab up two-node" in said and "stacks/Pulumi.two-node.yaml" in said and "LIBVIRT_DEFAULT_URI" in said
    assert recording.resources == []
