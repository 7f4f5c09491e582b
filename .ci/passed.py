"""Fails unless tests of certain names ran and passed: a selection that matched nothing must not look like success.

Arguments: a report of pytest (JUnit XML), then parts of names.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

from pgpool_lab.compatibility.documents import went_well


def missing(report: Path, names: list[str]) -> list[str]:
    """The names of which no test passed."""
    passed = [case.get("name", "") for case in ElementTree.parse(report).iter("testcase") if went_well(case)]
    return [name for name in names if not any(name in one for one in passed)]


if __name__ == "__main__":
    for name in (absent := missing(Path(sys.argv[1]), sys.argv[2:])):
        print(f"the live test {name} did not run or did not pass: see {sys.argv[1]}", file=sys.stderr)
    sys.exit(bool(absent))
