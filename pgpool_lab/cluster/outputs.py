"""The stack's outputs as typed data, from the engine or from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from pgpool_lab.errors import LabError


class Services(BaseModel):
    postgresql: str
    pgpool: str


class Scripts(BaseModel):
    agent: str
    failover: str
    virtual_ip: str


class NodeOutput(BaseModel):
    name: str
    ip: str
    pg_port: int
    pgpool_port: int
    wd_port: int
    pcp_port: int
    backend_id: int
    data_directory: str
    domain: str
    mac: str
    interface: str
    services: Services
    scripts: Scripts


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
    witness: object = None
    """The third watchdog member without PostgreSQL, where there is one."""
    credentials: Credentials

    def node(self, name: str) -> NodeOutput:
        """A node by its name. Raises LabError that names the ones there are."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(f"there is no node {name!r}", f"choose one of {', '.join(node.name for node in self.nodes)}")


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
