"""Fixtures of the live tests: a lab that is up, in whose network these tests run."""

from __future__ import annotations

import os

import pytest

from pgpool_lab.engine import Engine
from pgpool_lab.harness.lab import LiveLab
from pgpool_lab.harness.ledger import Ledger
from pgpool_lab.lab import Lab
from pgpool_lab.paths import LabPaths


@pytest.fixture(scope="session")
def lab() -> LiveLab:
    """The lab under test, from its stack's outputs."""
    stack = os.environ["LAB_STACK"]
    return LiveLab(Lab(LabPaths(stack)).outputs(), stack)


UP = ("up", "--stack", os.environ.get("LAB_STACK", ""), "--yes", "--non-interactive", "--suppress-outputs")
"""What a person types, without the questions."""


@pytest.fixture(scope="session")
def engine(lab: LiveLab) -> Engine:
    """The engine on the lab's stack: plain `pulumi` commands."""
    return Lab(LabPaths(lab.stack)).engine()


@pytest.fixture
def ready(lab: LiveLab) -> LiveLab:
    """The lab as every scenario finds it, whatever the one before left."""
    lab.bring_back()
    return lab


@pytest.fixture
def ledger(ready: LiveLab) -> Ledger:
    """A client that remembers what was acknowledged; its table is there on every node when the scenario starts."""
    ledger = Ledger(ready.outputs)
    for _ in range(5):
        assert ledger.write()
    return ledger
