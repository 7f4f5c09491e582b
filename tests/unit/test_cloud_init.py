"""A node's cloud-init seed is YAML with what the node must be given, and nothing that needs the network."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from jinja2 import UndefinedError

from pgpool_lab.image import cloud_init
from pgpool_lab.image.cloud_init import (
    NetworkConfig,
    UserData,
    render_meta_data,
    render_network_config,
    render_user_data,
)

PRIVATE_KEY = """\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACD0
-----END OPENSSH PRIVATE KEY-----
"""
VALUES = UserData(
    hostname="node4",
    hosts=(("node0", "192.168.31.133"), ("node4", "192.168.31.134"), ("node5", "192.168.31.135")),
    host_key_private=PRIVATE_KEY,
    host_key_public="ssh-ed25519 AAAAhost node4",
    operator_public_key="ssh-ed25519 AAAAoperator operator@pgpool-lab",
)


def user_data() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(render_user_data(VALUES))
    return document


def files() -> dict[str, dict[str, str]]:
    return {entry["path"]: entry for entry in user_data()["write_files"]}


def test_user_data_starts_as_cloud_init_recognises_it() -> None:
    assert render_user_data(VALUES).startswith("#cloud-config\n")


def test_the_node_gets_exactly_these_files() -> None:
    assert {path: (entry["content"], entry.get("permissions", "0644")) for path, entry in files().items()} == {
        "/etc/hosts": (
            "127.0.0.1 localhost\n192.168.31.133 node0\n192.168.31.134 node4\n192.168.31.135 node5\n",
            "0644",
        ),
        "/etc/ssh/ssh_host_ed25519_key": (PRIVATE_KEY, "0600"),
        "/etc/ssh/ssh_host_ed25519_key.pub": ("ssh-ed25519 AAAAhost node4\n", "0644"),
        "/root/.ssh/authorized_keys": ("ssh-ed25519 AAAAoperator operator@pgpool-lab\n", "0600"),
    }


def test_permissions_are_texts_that_yaml_does_not_read_as_numbers() -> None:
    assert all(isinstance(entry.get("permissions", ""), str) for entry in files().values())


def test_the_given_host_key_is_kept_and_nobody_else_gets_an_account() -> None:
    document = user_data()
    assert document["ssh_deletekeys"] is False
    assert document["disable_root"] is False
    assert document["hostname"] == "node4"


def test_cloud_init_does_not_rewrite_the_hosts_file() -> None:
    assert user_data()["manage_etc_hosts"] is False


def test_a_changed_list_of_nodes_changes_the_user_data() -> None:
    fewer = UserData(**{**VALUES.__dict__, "hosts": VALUES.hosts[:2]})
    assert render_user_data(fewer) != render_user_data(VALUES)
    assert "node5" not in render_user_data(fewer)


def test_meta_data_names_the_node_and_keeps_the_seed_local() -> None:
    assert yaml.safe_load(render_meta_data("node4")) == {
        "instance-id": "node4",
        "local-hostname": "node4",
        "dsmode": "local",
    }


def test_the_interface_is_found_by_its_mac_and_has_a_static_address() -> None:
    text = render_network_config(NetworkConfig(mac="52:54:00:31:01:34", address_with_prefix="192.168.31.134/24"))
    assert yaml.safe_load(text) == {
        "version": 2,
        "ethernets": {
            "lan": {"match": {"macaddress": "52:54:00:31:01:34"}, "addresses": ["192.168.31.134/24"]},
        },
    }


def test_a_mac_that_yaml_could_read_as_a_number_stays_a_text() -> None:
    text = render_network_config(NetworkConfig(mac="52:54:00:11:22:33", address_with_prefix="10.0.0.11/24"))
    assert yaml.safe_load(text)["ethernets"]["lan"]["match"]["macaddress"] == "52:54:00:11:22:33"


def test_a_name_that_was_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="hostname"):
        cloud_init._render("meta-data.yaml.j2", {})
