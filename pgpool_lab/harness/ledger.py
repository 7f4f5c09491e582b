"""What the clients sent and what they were told: their own record, to be held against what the cluster has in the end.

Times are `time.monotonic()` in seconds, on the clock of the samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Way = Literal["vip", "all"]
"""How a client connects: through the virtual IP, or by `dsn_all`, which names every node's pgpool besides."""


class Entry(BaseModel):
    """One attempt of one client, immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: str
    """Which writer or reader it was."""
    sent: float
    """When the attempt began, connecting included."""
    done: float | None
    """When its outcome was known; None while there is none yet."""
    error: str | None
    """What the client was told or saw when it did not succeed."""


class Write(Entry):
    """One row, sent once: a row that failed is never sent again.

    `acknowledged`: the server said that it is committed. `failed`: it was never sent, or the server refused it on a
    connection that lived on, so it must not be there. `unknown`: the connection was lost after it was sent, so nobody
    but the database knows.
    """

    kind: Literal["write"] = "write"
    number: int
    way: Way = "vip"
    outcome: Literal["acknowledged", "failed", "unknown"]


class Read(Entry):
    """One look at the whole table through the virtual IP. What was seen is None unless `ok`."""

    kind: Literal["read"] = "read"
    outcome: Literal["ok", "failed"]
    count: int | None
    """How many rows it showed."""
    newest: int | None
    """Their highest number; None as well when there were none."""
    backend: str | None
    """Address of the PostgreSQL that answered."""
    backend_time: float | None
    """That server's clock, `time.time()`."""


class Ledger(BaseModel):
    """Everything that the clients did, in the order in which they began it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    writes: tuple[Write, ...]
    reads: tuple[Read, ...]

    @property
    def acknowledged(self) -> list[Write]:
        """Rows that the cluster promised to keep."""
        return [write for write in self.writes if write.outcome == "acknowledged"]

    def succeeded(self, since: float) -> set[str]:
        """The clients that have succeeded with something that they began after a moment."""
        reads = [read for read in self.reads if read.outcome == "ok"]
        return {entry.client for entry in (*self.acknowledged, *reads) if entry.sent >= since}

    @property
    def untold(self) -> list[Write]:
        """Rows of which nobody was told whether they were written."""
        return [write for write in self.writes if write.outcome == "unknown"]

    def written(self, way: Way) -> list[Write]:
        """The rows that were sent in one way."""
        return [write for write in self.writes if write.way == way]

    @property
    def possible(self) -> set[int]:
        """Numbers of the rows that may be in the database: acknowledged or unknown."""
        return {write.number for write in self.writes if write.outcome != "failed"}


_ENTRY: TypeAdapter[Write | Read] = TypeAdapter(Annotated[Write | Read, Field(discriminator="kind")])


def of(entries: Iterable[Write | Read]) -> Ledger:
    """A ledger of entries in any order."""
    ordered = sorted(entries, key=lambda entry: entry.sent)
    return Ledger(
        writes=tuple(entry for entry in ordered if isinstance(entry, Write)),
        reads=tuple(entry for entry in ordered if isinstance(entry, Read)),
    )


def write(path: Path, ledger: Ledger) -> None:
    """Write a ledger as JSON lines, replacing the file."""
    entries: list[Write | Read] = [*ledger.writes, *ledger.reads]
    path.write_text("".join(entry.model_dump_json() + "\n" for entry in entries))


def read(path: Path) -> Ledger:
    """The ledger that `write` wrote. Raises pydantic.ValidationError for a line that is no entry."""
    return of(_ENTRY.validate_json(line) for line in path.read_text().splitlines() if line.strip())
