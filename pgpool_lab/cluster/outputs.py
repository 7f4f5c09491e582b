"""The stack's outputs as typed data, from the engine or from a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from pgpool_lab.errors import LabError


class MachineServices(BaseModel):
    pgpool: str


class Services(MachineServices):
    postgresql: str


class WitnessServices(MachineServices):
    witness: str


class MachineScripts(BaseModel):
    agent: str
    failover: str


class Scripts(MachineScripts):
    virtual_ip: str


class MachineOutput(BaseModel):
    """What a node and a witness have in common."""

    name: str
    ip: str
    pgpool_port: int
    wd_port: int
    pcp_port: int
    domain: str
    mac: str
    interface: str
    services: MachineServices
    scripts: MachineScripts


class NodeOutput(MachineOutput):
    pg_port: int
    backend_id: int
    data_directory: str
    services: Services
    scripts: Scripts


class WitnessOutput(MachineOutput):
    """The watchdog member without PostgreSQL."""

    services: WitnessServices


class SshOutput(BaseModel):
    user: str
    port: int
    private_key_path: Path
    known_hosts_path: Path


class NetworkOutput(BaseModel):
    cidr: str
    gateway: str
    bridge: str
    namespace: str | None = None


class Credential(BaseModel):
    user: str
    password: str


class Credentials(BaseModel):
    superuser: Credential
    replication: Credential
    check: Credential
    pcp: Credential


class LabOutputs(BaseModel):
    """What a client knows of a lab. Built by `from_json`, with secrets shown."""

    vip: str
    dsn: str
    dsn_all: str
    pgpool_port: int
    pcp_port: int
    nodes: list[NodeOutput]
    ssh: SshOutput
    network: NetworkOutput
    libvirt_uri: str
    versions: dict[str, str]
    timings: dict[str, int | bool | str]
    replication: Literal["async", "sync"]
    witness: WitnessOutput | None = None
    credentials: Credentials

    @property
    def machines(self) -> list[MachineOutput]:
        """Every virtual machine, each of which runs a pgpool: the nodes in backend order, then the witness."""
        return [*self.nodes, *([self.witness] if self.witness else [])]

    def node(self, name: str) -> NodeOutput:
        """A node by its name. Raises LabError that names the ones there are."""
        return named(name, self.nodes)

    def machine(self, name: str) -> MachineOutput:
        """A node or the witness by its name. Raises LabError that names the ones there are."""
        return named(name, self.machines)


Named = TypeVar("Named", bound=MachineOutput)


def named(name: str, machines: Sequence[Named]) -> Named:
    """One of several by its name. Raises LabError that names the ones there are."""
    for machine in machines:
        if machine.name == name:
            return machine
    raise LabError(f"there is no node {name!r}", f"choose one of {', '.join(machine.name for machine in machines)}")


FILE_REMEDY = "pulumi stack output --json --show-secrets > FILE"


def from_file(path: Path) -> LabOutputs:
    """Outputs from the file that LAB_OUTPUTS names: of a lab that somebody else may have built."""
    try:
        text = path.read_text()
    except OSError as error:
        raise LabError(f"LAB_OUTPUTS: cannot read {path}: {error.strerror}", FILE_REMEDY) from None
    except UnicodeDecodeError:
        raise LabError(f"LAB_OUTPUTS: {path} is no text", FILE_REMEDY) from None
    return from_json(text, f"LAB_OUTPUTS: {path}", FILE_REMEDY)


def from_json(text: str, origin: str, remedy: str = "bring the lab up: ./lab up") -> LabOutputs:
    """Outputs from what `pulumi stack output --json --show-secrets` prints."""
    try:
        values: Any = json.loads(text)
        return LabOutputs.model_validate(values)
    except ValidationError as error:
        # Keys and reasons only: the values hold passwords.
        wrong = ", ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
    except ValueError:
        wrong = "it is not JSON"
    raise LabError(f"{origin} does not hold a lab's outputs: {wrong}", remedy)
