"""What the runner needs of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pgpool_lab.harness.ledger import Ledger
from pgpool_lab.harness.scenarios.model import Arrangement


class Workload(Protocol):
    """Clients outside the nodes; `pgpool_lab.harness.workload` has them."""

    def start(self) -> None:
        """Begin, and return."""

    def stop(self) -> Ledger:
        """End the clients; what they recorded."""

    @property
    def names(self) -> Sequence[str]:
        """The clients, as the ledger calls them."""

    @property
    def readers(self) -> Sequence[str]:
        """Those of them that only read."""

    def ledger(self) -> Ledger:
        """What was recorded so far."""


class Stage(Protocol):
    """Makes the lab what a scenario begins with."""

    @property
    def rewind_seconds(self) -> float | None:
        """How long the latest rewind took until the lab was healthy; None when the latest way was another."""

    @property
    def rewind_failure(self) -> str:
        """Why the latest way had to be another although there is a snapshot; empty where it had not."""

    @property
    def begins_alike(self) -> bool:
        """Whether every run finds pgpool at the same moment of its rounds of checks."""

    def prepare(self, begins: Arrangement) -> None:
        """Return with a healthy lab whose roles lie as said. Raises LabError."""
