"""Fails unless certain tests ran and passed: a selection that matched nothing must not look like success.

Arguments: a report of pytest (JUnit XML), then names of tests, each a function with the parameters that it ran with in
brackets. Without brackets it stands for all of them.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from pgpool_lab.compatibility.documents import went_well


def missing(report: Path, names: list[str]) -> list[str]:
    """The names of which no test ran, or not every one passed."""
    outcomes: defaultdict[str, list[bool]] = defaultdict(list)
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("name", "")
        for known_as in {name, name.partition("[")[0]}:
            outcomes[known_as].append(went_well(case))
    return [name for name in names if not outcomes[name] or not all(outcomes[name])]


if __name__ == "__main__":
    for name in (absent := missing(Path(sys.argv[1]), sys.argv[2:])):
        print(f"the live test {name} did not run or did not pass: see {sys.argv[1]}", file=sys.stderr)
    sys.exit(bool(absent))
