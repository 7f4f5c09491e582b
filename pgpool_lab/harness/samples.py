"""What was seen of a lab while a scenario ran: immutable records, one JSON document a line.

Times are seconds on the observer's clocks. `earliest` and `latest` are `time.monotonic()`, which all processes of one
machine share, so samples, the ledger and the fault's moment can be compared; `wall` is `time.time()` at `latest`.
Monotonic times mean nothing after a reboot or on another machine, except as differences.

Nodes are sampled one by one and each answer takes a while (seconds on an emulated node), so a sample doesn't say
*when* its values were true, only that they were at some moment from `earliest` to `latest`. Who fills samples keeps
that promise: `earliest` is before the node was asked, `latest` after its answer was read. A node that pushes answers by
itself can't give `earliest` (a line may have waited in a stalled connection): ask for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Record(BaseModel):
    """An immutable part of a sample; an unknown or missing field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PostgresSample(Record):
    """One node's PostgreSQL. None: it didn't say."""

    running: bool
    in_recovery: bool | None
    accepts_writes: bool | None
    """Whether a transaction may write (`transaction_read_only` is off on a node not in recovery)."""
    timeline: int | None
    lsn: str | None
    """As PostgreSQL writes it, `0/5000100`: flushed on a primary, received on a standby."""
    streaming_from: str | None
    """Name of the node it receives WAL from, None when it receives none."""

    @property
    def is_primary(self) -> bool:
        """Runs, is not in recovery, and doesn't say that it refuses writes."""
        return self.running and self.in_recovery is False and self.accepts_writes is not False


class BackendBelief(Record):
    """What one pgpool believes of one backend."""

    name: str
    status: str
    """`up`, `down`, `waiting`, `unused`, `quarantine`."""
    role: str
    """`primary` or `standby`."""


class PgpoolSample(Record):
    """One node's pgpool."""

    running: bool
    watchdog_role: str | None
    """In pgpool's own words: LEADER, STANDBY, JOINING, …; None when it didn't say."""
    backends: tuple[BackendBelief, ...]
    """Empty when it didn't answer, as during a failover."""
    noticed: int | None = None
    """How often it has logged that a backend or another pgpool is gone, since this node is watched over the present
    connection (`pgpool_lab/node/noticed.py`); None where nobody looked."""


class NodeSample(Record):
    """What one node said of itself at some moment from `earliest` to `latest`."""

    kind: Literal["node"] = "node"
    node: str
    earliest: float
    latest: float
    wall: float
    reachable: bool
    """Whether it answered; when it didn't, the three below are None."""
    holds_vip: bool | None
    """Whether one of its interfaces has the virtual IP."""
    postgres: PostgresSample | None
    pgpool: PgpoolSample | None


class VipSample(Record):
    """Who answered for the virtual IP to a machine outside the nodes, at some moment from `earliest` to `latest`."""

    kind: Literal["vip"] = "vip"
    earliest: float
    latest: float
    wall: float
    mac: str | None
    """In lower case with colons; None when nobody answered."""


Sample = NodeSample | VipSample

_SAMPLE: TypeAdapter[Sample] = TypeAdapter(Annotated[Sample, Field(discriminator="kind")])


def unreachable(node: str, *, earliest: float, latest: float, wall: float) -> NodeSample:
    """The sample of a node that didn't answer."""
    return NodeSample(
        node=node,
        earliest=earliest,
        latest=latest,
        wall=wall,
        reachable=False,
        holds_vip=None,
        postgres=None,
        pgpool=None,
    )


def to_line(sample: Sample) -> str:
    """A sample as one line of JSON, without its line end."""
    return sample.model_dump_json()


def from_line(line: str) -> Sample:
    """The sample that `to_line` wrote. Raises pydantic.ValidationError for anything else."""
    return _SAMPLE.validate_json(line)


def write(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples as JSON lines, replacing the file."""
    path.write_text("".join(to_line(sample) + "\n" for sample in samples))


def read(path: Path) -> list[Sample]:
    """Samples from a file of JSON lines, in its order."""
    return [from_line(line) for line in path.read_text().splitlines() if line.strip()]
