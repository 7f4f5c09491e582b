"""What `.ci/run` holds a run of the live tests against."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.harness.scenarios.choice import chosen
from pgpool_lab.paths import PROJECT
from tests.live.sabotages import SABOTAGES

REPORT = """<testsuites><testsuite>
<testcase classname="tests.live.test_scenarios" name="test_scenario_1_moves_the_address"/>
<testcase classname="tests.live.test_mesh" name="test_mesh[root]"/>
<testcase classname="tests.live.test_mesh" name="test_mesh[postgres]"/>
<testcase classname="tests.live.test_ports" name="test_ports[open]"/>
<testcase classname="tests.live.test_ports" name="test_ports[closed]"><failure message="open"/></testcase>
<testcase classname="tests.live.test_update" name="test_update"/>
<testcase classname="tests.live.test_update" name="test_update"><error message="at teardown"/></testcase>
<testcase classname="tests.live.test_reboot" name="test_reboot"><skipped message="none"/></testcase>
</testsuite></testsuites>
"""

NAMES: dict[str, tuple[str, bool]] = {
    "a test that passed": ("test_scenario_1_moves_the_address", True),
    "the beginning of its name": ("test_scenario_1", False),
    "another part of its name": ("scenario_1_moves", False),
    "one that did not run": ("test_nothing", False),
    "one that was skipped": ("test_reboot", False),
    "one whose fixture failed afterwards": ("test_update", False),
    "one of its parameters": ("test_mesh[root]", True),
    "a parameter that there is not": ("test_mesh[nobody]", False),
    "all parameters": ("test_mesh", True),
    "the parameter that passed": ("test_ports[open]", True),
    "the parameter that failed": ("test_ports[closed]", False),
    "all parameters, of which one failed": ("test_ports", False),
}


@pytest.fixture
def passed() -> dict[str, Any]:
    """The program's names."""
    return runpy.run_path(str(PROJECT / ".ci" / "passed.py"))


@pytest.mark.parametrize(("name", "there"), NAMES.values(), ids=NAMES.keys())
def test_a_test_counts_by_its_whole_name_and_when_all_of_it_passed(
    name: str, there: bool, passed: dict[str, Any], tmp_path: Path
) -> None:
    report = tmp_path / "live.xml"
    report.write_text(REPORT)
    assert passed["missing"](report, [name]) == ([] if there else [name])


@pytest.mark.parametrize(("stack", "nodes"), [("two-node", 2), ("three-node", 3)])
def test_every_test_that_must_have_passed_exists_and_is_run(stack: str, nodes: int) -> None:
    """Otherwise the run would fail for it at its very end."""
    named = demanded(stack)
    assert named
    live = "\n".join(file.read_text() for file in (PROJECT / "tests" / "live").glob("test_*.py"))
    functions = set(re.findall(r"^def (test_\w+)\(", live, re.MULTILINE))
    assert {name.partition("[")[0] for name in named} - functions == set()
    sabotages = [one.scenario for one in SABOTAGES if one.scenario.nodes == nodes]
    parameters = {scenario.name for scenario in (*chosen(nodes), *sabotages)}
    assert {name.partition("[")[2].rstrip("]") for name in named if "[" in name} - parameters == set()


def demanded(stack: str) -> list[str]:
    """The names that `.ci/run` gives for a stack, as bash reads them."""
    script = (PROJECT / ".ci" / "run").read_text()
    (call,) = re.findall(rf"^ran_and_passed {stack} .*?[^\\]$", script, re.MULTILINE | re.DOTALL)
    told = subprocess.run(
        ["bash", "-c", f"ran_and_passed() {{ printf '%s\\n' \"${{@:2}}\"; }}\n{call}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.split()
