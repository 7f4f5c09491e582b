"""The settings model: one nested object per concern, as in the stack's configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from pgpool_lab.settings.overrides import problem
from pgpool_lab.settings.presets import PRESETS, QUERY_LIFECHECK, Value
from pgpool_lab.versions import pgpool, pgpool_parameters, postgresql
from pgpool_lab.versions.distributions import BUILT, DISTRIBUTIONS, PACKAGED
from pgpool_lab.versions.support import Choice, refusals

Port = Annotated[int, Field(ge=1024, le=65535)]
"""PostgreSQL and pgpool run as a service account, which may not have the ports below."""
MIRROR_PORT = 8080
"""TCP port of the mirror's server at the gateway's address: no other service is in the lab's network there."""

SHA256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


WITNESS = "witness"
"""Name of the watchdog member without PostgreSQL."""


class Settings(BaseModel):
    """Base of all settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def known(value: str, names: Iterable[str], what: str) -> str:
    """Refuse a value that is not among the known ones, naming those."""
    names = tuple(names)
    if value not in names:
        raise ValueError(f"unknown {what} {value!r}; known: {', '.join(names)}")
    return value


class NodeSettings(Settings):
    """One virtual machine that runs PostgreSQL and pgpool."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    ip: IPv4Address
    mac: Annotated[str, Field(pattern=r"^([0-9a-e][02468ace]|f[02468ac])(:[0-9a-f]{2}){5}$")]
    """One of a single machine: its first octet is even. libvirt keeps fe for its own end of a machine's link."""
    memory_mib: Annotated[int, Field(ge=512)] = 768
    vcpus: Annotated[int, Field(ge=1)] = 1
    """A second one made emulated nodes slower (docs/measurements.md)."""


class NetworkSettings(Settings):
    """The nodes' LAN and the virtual IP on it."""

    cidr: IPv4Network
    vip: IPv4Address

    @property
    def gateway(self) -> IPv4Address:
        """The host's own address on the bridge: the first one of the subnet."""
        # Of a subnet of one address this is a list, which is no iterator.
        return next(iter(self.cidr.hosts()))


class ImageSettings(Settings):
    """What the nodes' root disks are made from."""

    distribution: str = "debian12"
    source: str | None = None
    """A stock cloud image; None: the lab builds one."""
    sha256: SHA256 | None = None
    mirror: str | None = None
    """Folder with the packages that machines from a stock image install; None: they have a way to the internet."""

    @field_validator("source")
    @classmethod
    def known_source(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"^(path|url):.+", value):
            raise ValueError("must be 'path:FILE' or 'url:ADDRESS' (with sha256)")
        return value

    @field_validator("distribution")
    @classmethod
    def known_distribution(cls, value: str) -> str:
        return known(value, DISTRIBUTIONS, "distribution")

    @model_validator(mode="after")
    def image_can_be_had(self) -> Self:
        if self.source is None and self.distribution not in BUILT:
            raise ValueError(
                f"the lab builds images of {', '.join(BUILT)} only; for {self.distribution} give a cloud image with "
                "image.source: path:FILE or url:ADDRESS"
            )
        if (self.source or "").startswith("url:") and self.sha256 is None:
            raise ValueError("a source 'url:…' needs image.sha256, the image's checksum")
        if self.mirror is not None and self.source is None:
            raise ValueError(
                "mirror: only machines from a cloud image take packages; give image.source, or leave it out"
            )
        return self


MAVEN = r"maven:[^:\s]+:[^:\s]+:[^:\s]+"
"""Group, artifact and version of a file in a Maven repository."""


def checksum_given(key: str, source: str, sha256: str | None) -> None:
    """Refuse an address without a checksum: what it gives today need not be what it gives tomorrow."""
    if source.startswith("url:") and sha256 is None:
        raise ValueError(f"a source 'url:…' needs {key}.sha256, the file's checksum")


class PostgresqlSettings(Settings):
    version: str = "15"
    source: str = "distribution"
    """Packages of the `distribution`, or of the PostgreSQL `project`'s own repository, or an archive of programs."""
    sha256: SHA256 | None = None
    port: Port = 5432
    replication: Literal["async", "sync"] = "async"

    @field_validator("version")
    @classmethod
    def known_version(cls, value: str) -> str:
        return known(value, postgresql.SERIES, "PostgreSQL version")

    @field_validator("source")
    @classmethod
    def known_source(cls, value: str) -> str:
        if value not in PACKAGED and not re.fullmatch(rf"(path|url):.+|{MAVEN}", value):
            raise ValueError(
                "must be 'distribution', 'project', 'path:FILE', 'url:ADDRESS' (with sha256) or "
                "'maven:GROUP:ARTIFACT:VERSION'"
            )
        return value

    @model_validator(mode="after")
    def url_has_checksum(self) -> Self:
        checksum_given("postgresql", self.source, self.sha256)
        return self

    @property
    def traits(self) -> postgresql.PostgresqlTraits:
        return postgresql.traits(self.version)


def simple(value: object) -> object:
    """Refuse a parameter's value that pgpool.conf cannot hold, once instead of once a possible type."""
    if not isinstance(value, int | str):
        raise ValueError(f"must be a whole number, a text, true or false (given: {value!r})")
    return value


class PgpoolSettings(Settings):
    version: str = "4.3.5"
    source: str = "distribution"
    sha256: SHA256 | None = None
    port: Port = 9999
    pcp_port: Port = 9898
    wd_port: Port = 9000
    timing_preset: str = "fast"
    restart: Literal["no", "on-failure"] = "no"
    parameters: dict[str, Annotated[Value, BeforeValidator(simple)]] = {}

    @field_validator("version")
    @classmethod
    def known_version(cls, value: str) -> str:
        if not pgpool.known_version(value):
            raise ValueError(f"unknown pgpool version {value!r}; known: the releases of {', '.join(pgpool.SERIES)}")
        return value

    @field_validator("timing_preset")
    @classmethod
    def known_preset(cls, value: str) -> str:
        return known(value, sorted(PRESETS), "timing preset")

    @field_validator("parameters")
    @classmethod
    def parameters_are_the_user_s(cls, value: dict[str, Value], info: ValidationInfo) -> dict[str, Value]:
        version = info.data.get("version")
        if version is not None:  # Else it has an error of its own.
            problems = [problem(name, version) for name in value]
            if found := [text for text in problems if text]:
                raise ValueError("; ".join(found))
        return value

    @field_validator("source")
    @classmethod
    def known_source(cls, value: str) -> str:
        if value != "distribution" and not re.match(r"^(path|url):.+", value):
            raise ValueError("must be 'distribution', 'path:FILE' or 'url:ADDRESS' (with sha256)")
        return value

    @model_validator(mode="after")
    def url_has_checksum(self) -> Self:
        checksum_given("pgpool", self.source, self.sha256)
        return self

    @property
    def traits(self) -> pgpool.PgpoolTraits:
        return pgpool.traits(self.version)

    @property
    def timings(self) -> dict[str, Value]:
        """The timing parameters in force: the preset, with the overrides that name one of its parameters."""
        version = self.traits.version
        preset = PRESETS[self.timing_preset]
        if "heartbeat" not in self.traits.lifecheck_methods:
            preset = preset | QUERY_LIFECHECK[self.timing_preset]
        preset = pgpool_parameters.only_known(version, preset)
        return preset | {name: value for name, value in self.parameters.items() if name in preset}


class LabSettings(Settings):
    """Everything that can be set for one lab."""

    nodes: tuple[NodeSettings, ...]
    network: NetworkSettings
    image: ImageSettings = ImageSettings()
    postgresql: PostgresqlSettings = PostgresqlSettings()
    pgpool: PgpoolSettings = PgpoolSettings()
    auth: Literal["scram", "md5", "trust"] = "scram"
    ssh_mesh: Literal["full", "service"] = "full"
    libvirt_uri: str = ""
    domain_type: Literal["auto", "kvm", "qemu"] = "auto"
    witness: bool = False

    @field_validator("nodes", mode="before")
    @classmethod
    def at_least_two(cls, value: object) -> object:
        # Before the nodes are looked at: one with a mistake counts, too.
        if isinstance(value, list | tuple) and len(value) < 2:
            raise ValueError(f"a lab needs at least two nodes, {len(value)} given")
        return value

    @model_validator(mode="after")
    def addresses_fit(self) -> Self:
        cidr, vip = self.network.cidr, self.network.vip
        reserved = {cidr.network_address, cidr.broadcast_address, self.network.gateway}
        if vip not in cidr or vip in reserved:
            raise ValueError(f"network.vip: {vip} is not a free address of network.cidr {cidr}")
        for index, node in enumerate(self.nodes):
            key = f"nodes[{index}].ip"
            if node.ip == vip:
                raise ValueError(f"network.vip: {vip} is already the address of node {node.name} ({key})")
            if node.ip not in cidr or node.ip in reserved:
                raise ValueError(f"{key}: {node.ip} is not a free address of network.cidr {cidr}")
        for field in ("name", "ip", "mac"):
            seen: dict[object, int] = {}
            for index, node in enumerate(self.nodes):
                value = getattr(node, field)
                if value in seen:
                    raise ValueError(
                        f"nodes[{index}].{field}: {value} is already taken by nodes[{seen[value]}].{field}"
                    )
                seen[value] = index
        ports = {
            "postgresql.port": self.postgresql.port,
            "pgpool.port": self.pgpool.port,
            "pgpool.pcp_port": self.pgpool.pcp_port,
            "pgpool.wd_port": self.pgpool.wd_port,
        }
        taken: dict[int, str] = {}
        for key, port in ports.items():
            if port in taken:
                raise ValueError(f"{key}: {port} is already taken by {taken[port]}")
            taken[port] = key
        return self

    @model_validator(mode="after")
    def versions_go_together(self) -> Self:
        choice = Choice(
            distribution=self.image.distribution,
            postgresql=self.postgresql.version,
            postgresql_source=self.postgresql.source,
            pgpool=self.pgpool.version,
            pgpool_source=self.pgpool.source,
            auth=self.auth,
            witness=self.witness,
        )
        if self.postgresql.source == "project" and self.image.source is None:
            raise ValueError(
                "postgresql.source: the lab's own image has the distribution's packages; give a cloud image with "
                "image.source for the PostgreSQL project's"
            )
        if wrong := refusals(choice):
            raise ValueError("\n  ".join(map(str, wrong)))
        return self

    @model_validator(mode="after")
    def witness_has_a_place(self) -> Self:
        if not self.witness:
            return self
        if len(self.nodes) % 2 != 0:
            raise ValueError(
                f"witness: {len(self.nodes)} nodes have a majority without one, and could be cut into halves with it; "
                "leave it out"
            )
        for index, node in enumerate(self.nodes):
            if node.name == WITNESS:
                raise ValueError(f"witness: its name is taken by nodes[{index}].name; give that node another one")
        if next(self._free_addresses(), None) is None:
            raise ValueError(f"witness: network.cidr {self.network.cidr} has no address left for it")
        return self

    def _free_addresses(self) -> Iterator[IPv4Address]:
        taken = {self.network.gateway, self.network.vip, *(node.ip for node in self.nodes)}
        return (address for address in self.network.cidr.hosts() if address not in taken)

    @property
    def witness_machine(self) -> NodeSettings | None:
        """The witness as a machine, which is as small as one can be; None without one.

        Its address is the first that is free. Its MAC differs from other labs' as the first node's does.
        """
        if not self.witness:
            return None
        prefix = self.nodes[0].mac[:-2]
        macs = {node.mac for node in self.nodes}
        return NodeSettings(
            name=WITNESS,
            ip=next(self._free_addresses()),
            mac=next(mac for last in range(256) if (mac := f"{prefix}{last:02x}") not in macs),
            memory_mib=512,
        )

    @property
    def mirror_address(self) -> str | None:
        """Where the machines find the mirror; None without one."""
        return f"http://{self.network.gateway}:{MIRROR_PORT}/" if self.image.mirror else None

    @property
    def machines(self) -> tuple[NodeSettings, ...]:
        """Every virtual machine: the nodes in backend order, then the witness."""
        return (*self.nodes, *([self.witness_machine] if self.witness_machine else []))

    @property
    def memory_mib(self) -> int:
        """Memory that all machines together are given, in MiB."""
        return sum(machine.memory_mib for machine in self.machines)
