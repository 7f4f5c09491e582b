"""One run as a folder: `result.json`, `samples.jsonl`, `ledger.jsonl`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.harness import ledger, result, samples
from pgpool_lab.harness.ledger import Ledger
from pgpool_lab.harness.result import Result
from pgpool_lab.harness.samples import Sample

RESULT, SAMPLES, LEDGER = "result.json", "samples.jsonl", "ledger.jsonl"


@dataclass(frozen=True)
class Recording:
    """A run's document and what it was judged from."""

    result: Result
    samples: tuple[Sample, ...]
    ledger: Ledger


def save(folder: Path, recording: Recording) -> None:
    """Write a run's files, replacing those that are there. The folder is made; the document comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    samples.write(folder / SAMPLES, recording.samples)
    ledger.write(folder / LEDGER, recording.ledger)
    result.write(folder / RESULT, recording.result)


def load(folder: Path) -> Recording:
    """What `save` wrote. Raises FileNotFoundError or pydantic.ValidationError."""
    return Recording(
        result=result.read(folder / RESULT),
        samples=tuple(samples.read(folder / SAMPLES)),
        ledger=ledger.read(folder / LEDGER),
    )


def load_all(reports: Path) -> Iterator[Recording]:
    """The complete runs below a folder, in the order of their folders' names."""
    return (load(path.parent) for path in sorted(reports.glob(f"*/{RESULT}")))
