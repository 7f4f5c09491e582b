"""A node's cloud-init seed (NoCloud): user data, meta data and network configuration."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pgpool_lab.paths import PROJECT
from pgpool_lab.rendering import render

TEMPLATES = PROJECT / "cloud-init"


@dataclass(frozen=True)
class UserData:
    """What a node is given on its first boot."""

    hostname: str
    hosts: tuple[tuple[str, str], ...]
    """Name and address of every node."""
    host_key_private: str
    host_key_public: str
    operator_public_key: str
    install: str | None = None
    """Command that makes a node of the machine; None where the image is one already."""


@dataclass(frozen=True)
class NetworkConfig:
    """A node's interface, found by its MAC address, and its static address."""

    mac: str
    address_with_prefix: str
    interface: str | None = None
    """Name to give the interface; None: whichever it has."""
    gateway: str | None = None
    """Way to the internet, and to name servers; None: there is none."""


def render_user_data(values: UserData) -> str:
    return _render("user-data.yaml.j2", asdict(values))


def render_meta_data(hostname: str) -> str:
    return _render("meta-data.yaml.j2", {"hostname": hostname})


def render_network_config(values: NetworkConfig) -> str:
    return _render("network-config.yaml.j2", asdict(values))


def _render(template: str, values: dict[str, Any]) -> str:
    return render(TEMPLATES / template, **values)
