"""Every expectation holds where it should, and says why where it does not."""

from __future__ import annotations

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.harness.scenarios.expectations import Evidence, expectation_named, unmet
from tests.unit.harness_scenarios.seen import evidence, healthy, lab, sample

MOVED = healthy(holder="node4", primary="node4")
SPLIT = lab(sample("node0", vip=True, primary=True), sample("node4", vip=True, primary=True), sample("node5"))
FAILED_OVER = lab(
    sample("node0", vip=True, running=False, down=["node0"], believed_primary="node4"),
    sample("node4", primary=True, down=["node0"], believed_primary="node4"),
    sample("node5", source="node4", down=["node0"], believed_primary="node4"),
)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("vip-moves", evidence(MOVED)),
        ("vip-stays", evidence(healthy())),
        ("vip-stays", evidence(FAILED_OVER)),
        ("primary-changes", evidence(FAILED_OVER)),
        ("primary-stays", evidence(healthy())),
        ("one-of-each", evidence(MOVED)),
        ("target-no-primary", evidence(MOVED)),
        ("target-answers", evidence(healthy())),
        ("all-answer", evidence(healthy())),
        ("standbys-follow", evidence(FAILED_OVER)),
        ("standbys-attached", evidence(FAILED_OVER)),
        ("target-believed-down", evidence(FAILED_OVER)),
        ("writes-flow", evidence(healthy())),
    ],
)
def test_it_holds(name: str, seen: Evidence) -> None:
    assert unmet([name], seen) == {}


@pytest.mark.parametrize(
    ("name", "seen", "why"),
    [
        ("vip-moves", evidence(healthy()), "still on node0"),
        ("vip-moves", evidence({}), "nobody"),
        ("vip-moves", evidence(SPLIT), "node0 and node4"),
        ("vip-moves", evidence(MOVED, answerer="node0"), "node0 answers"),
        ("vip-moves", evidence(MOVED, answerer=None), "nobody answers"),
        ("vip-stays", evidence(MOVED), "was on node4"),
        ("vip-stays", evidence(lab(sample("node0"))), "nobody"),
        ("vip-stays", evidence(healthy(), answerer="node5"), "node5 answers"),
        ("primary-changes", evidence(healthy()), "still node0"),
        ("primary-changes", evidence(SPLIT), "node0 and node4"),
        ("primary-changes", evidence(lab(sample("node4", primary=None))), "primary: nobody, before: node0"),
        ("primary-stays", evidence(MOVED), "node4 was primary"),
        ("primary-stays", evidence(lab(sample("node0", primary=None))), "nobody"),
        ("one-of-each", evidence(SPLIT), "node0 and node4"),
        ("one-of-each", evidence(lab(sample("node0", primary=True))), "holder: nobody"),
        ("target-no-primary", evidence(healthy()), "node0 was primary again"),
        ("target-answers", evidence(lab(sample("node4"))), "node0 does not answer"),
        ("all-answer", evidence(lab(sample("node0"), sample("node5"))), "node4 does not answer"),
        ("standbys-follow", evidence(MOVED | lab(sample("node5", source="node0"))), "node5 does not stream from node4"),
        ("standbys-follow", evidence(MOVED | lab(sample("node5", source=None))), "node5 does not stream"),
        ("standbys-follow", evidence(MOVED | lab(sample("node5", running=False))), "node5 does not stream"),
        (
            "standbys-attached",
            evidence(
                FAILED_OVER
                | lab(sample("node5", running=False), sample("node4", primary=True, down=["node0", "node5"]))
            ),
            "pgpool on node4 believes that node5 is down",
        ),
        (
            "standbys-attached",
            evidence(FAILED_OVER | lab(sample("node4", primary=True, down=["node0", "node5"]))),
            "pgpool on node4 believes that node5 is down",
        ),
        (
            "standbys-attached",
            evidence(FAILED_OVER | lab(sample("node4", primary=True, silent_pgpool=True))),
            "pgpool on node4 does not answer",
        ),
        ("standbys-attached", evidence({}), "no pgpool runs"),
        ("target-believed-down", evidence(MOVED), "believes that node0 is up"),
        ("target-believed-down", evidence({}), "no pgpool answers"),
        (
            "target-believed-down",
            evidence(FAILED_OVER | lab(sample("node5", source="node4", down=["node0"], believed_primary="node5"))),
            "pgpool on node5 believes",
        ),
        ("writes-flow", evidence(healthy(), write_age=9.0), "9 s"),
        ("writes-flow", evidence(healthy(), write_age=None), "no write"),
    ],
)
def test_it_does_not_hold_and_says_why(name: str, seen: Evidence, why: str) -> None:
    assert why in unmet([name], seen)[name]


@pytest.mark.parametrize("name", ["vip-stays", "primary-stays"])
def test_what_came_back_has_not_stayed(name: str) -> None:
    """The roles now are those before; meanwhile they were elsewhere."""
    meanwhile = [*healthy(holder="node4", primary="node4").values(), *healthy().values()]
    assert "node4" in unmet([name], evidence(healthy(), since=meanwhile))[name]


def test_an_unknown_expectation_is_refused() -> None:
    with pytest.raises(LabError, match="vip-moves"):
        expectation_named("vip-walks")
