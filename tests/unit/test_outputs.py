"""A client takes a lab's outputs from the engine or a file, and says what is wrong with them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.cluster.outputs import LabOutputs, from_file, from_json
from pgpool_lab.errors import LabError
from tests.unit import lab_outputs


def read(values: object) -> LabOutputs:
    return from_json(json.dumps(values), "outputs.json")


def test_outputs_are_read_as_typed_data() -> None:
    outputs = read(lab_outputs.values())
    assert [node.name for node in outputs.nodes] == ["node0", "node4"]
    assert outputs.ssh.private_key_path == Path("/key")
    assert outputs.timings == {"health_check_period": 1, "failover_on_backend_error": True}
    assert outputs.timings["failover_on_backend_error"] is True


def test_an_output_of_a_later_version_is_ignored() -> None:
    values = lab_outputs.values()
    assert read({**values, "observers": "node9"}) == read(values)


def test_the_network_may_be_reached_without_a_namespace() -> None:
    values = lab_outputs.values()
    del values["network"]["namespace"]
    assert read(values).network.namespace is None


@pytest.mark.parametrize("text", ["", "no json", "[]", "null", "{}", '"text"'])
def test_what_holds_no_outputs_is_named_with_the_next_step(text: str) -> None:
    with pytest.raises(LabError) as raised:
        from_json(text, "outputs.json")
    assert raised.value.problem.startswith("outputs.json does not hold a lab's outputs: ")
    assert raised.value.remedy == "bring the lab up: ./lab up"


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"{}", b"no json"], ids=["folder", "no text", "empty", "text"])
def test_a_file_that_holds_none_is_named_with_how_to_write_it(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(LabError) as raised:
        from_file(path)
    assert raised.value.problem.startswith("LAB_OUTPUTS: ") and str(path) in raised.value.problem
    assert raised.value.remedy == "pulumi stack output --json --show-secrets > FILE"


def test_a_file_with_outputs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps(lab_outputs.values()))
    assert from_file(path) == read(lab_outputs.values())


@pytest.mark.parametrize("name", sorted(lab_outputs.values()))
def test_a_missing_output_is_named(name: str) -> None:
    values = lab_outputs.values()
    del values[name]
    with pytest.raises(LabError) as raised:
        read(values)
    assert f" {name}: " in raised.value.problem


BAD: dict[str, tuple[tuple[str | int, ...], object, str]] = {
    "port that is a text": (("pgpool_port",), "many", "pgpool_port"),
    "node without address": (("nodes", 1, "ip"), None, "nodes.1.ip"),
    "credential without password": (("credentials", "pcp"), {"user": "pcp"}, "credentials.pcp.password"),
    # What the engine prints without --show-secrets.
    "hidden credentials": (("credentials",), "[secret]", "credentials"),
}


@pytest.mark.parametrize(("path", "value", "named"), BAD.values(), ids=BAD.keys())
def test_a_wrong_value_is_named(path: tuple[str | int, ...], value: object, named: str) -> None:
    values: Any = copy.deepcopy(lab_outputs.values())
    target = values
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value
    with pytest.raises(LabError) as raised:
        read(values)
    assert f" {named}: " in raised.value.problem


def test_an_error_does_not_print_the_passwords() -> None:
    values = lab_outputs.values()
    del values["vip"]
    values["credentials"]["pcp"] = "password-of-pcp"
    with pytest.raises(LabError) as raised:
        read(values)
    assert "password-of-" not in str(raised.value)


def test_a_node_is_found_by_its_name_or_the_names_are_told() -> None:
    outputs = read(lab_outputs.values())
    assert outputs.node("node4").ip == "192.168.31.134"
    with pytest.raises(LabError) as raised:
        outputs.node("node1")
    assert "'node1'" in raised.value.problem
    assert "node0, node4" in raised.value.remedy


def test_a_lab_without_a_witness_may_say_so_or_nothing() -> None:
    values = lab_outputs.values()
    assert read(values).witness is None and read({**values, "witness": None}).witness is None
    assert read(values).machines == read(values).nodes


def test_a_witness_is_a_machine_and_no_node() -> None:
    outputs = read({**lab_outputs.values(), "witness": lab_outputs.witness()})
    assert outputs.witness is not None
    assert outputs.witness.services.witness == "lab-witness.service"
    assert [machine.name for machine in outputs.machines] == ["node0", "node4", "witness"]
    assert outputs.machine("witness") is outputs.witness
    with pytest.raises(LabError, match=r"node0, node4$"):
        outputs.node("witness")
    with pytest.raises(LabError, match=r"node0, node4, witness$"):
        outputs.machine("node1")
    with pytest.raises(LabError, match=r"witness\.ip"):
        read({**lab_outputs.values(), "witness": {"name": "witness"}})
