"""What a primary says of itself by the replication protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pgpool_lab.node import identity
from pgpool_lab.node.configuration import StepFailed
from pgpool_lab.node.join import Answer

CONFIG = {"postgresql": {"client_bin": "/bin", "port": 5433}, "users": {"replication": "replication"}}
NODE = {"name": "node4", "ip": "10.0.0.4"}
FIRST = "7711219446825000741|1|0/30000D8|\n"
LATER = """7711219446825000741|3|1/4000360|
00000003.history|1\t0/3000000\tno recovery target specified

2\t0/4000000\tno recovery target specified

"""


def asked(monkeypatch: pytest.MonkeyPatch, text: str) -> list[tuple[str, str]]:
    """Whom is asked, and what; each of them says this."""
    questions: list[tuple[str, str]] = []

    def run(command: Sequence[str], *, stdin: str, **_: Any) -> str:
        questions.append((command[-1], stdin))
        return text

    monkeypatch.setattr(identity, "run", run)
    return questions


def test_a_primary_on_the_first_timeline_has_no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = asked(monkeypatch, FIRST)
    found = identity.identity(CONFIG, NODE, 1)
    assert found == Answer(
        "node4",
        data="present",
        running=True,
        in_recovery=False,
        timeline=1,
        lsn=0x30000D8,
        system_identifier="7711219446825000741",
    )
    assert questions == [("host=10.0.0.4 port=5433 user=replication replication=true", "IDENTIFY_SYSTEM;\n")]


def test_a_later_one_says_where_its_timelines_began(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = asked(monkeypatch, LATER)
    found = identity.identity(CONFIG, NODE, 3)
    assert (found.timeline, found.lsn) == (3, 0x1_0400_0360)
    assert found.history == ((1, 0x3000000), (2, 0x4000000))
    assert questions[0][1] == "IDENTIFY_SYSTEM;\nTIMELINE_HISTORY 3;\n"


def test_one_that_has_changed_its_timeline_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, LATER)
    with pytest.raises(StepFailed, match="node4 is on timeline 3 by now, not on 2"):
        identity.identity(CONFIG, NODE, 2)
