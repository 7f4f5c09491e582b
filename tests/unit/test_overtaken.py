"""Whether another pgpool has just taken over, by the word of the isolation service."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgpool_lab.node import overtaken


def test_it_holds_while_the_virtual_ip_is_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere, here = "192.0.2.9", "127.0.0.1"
    monkeypatch.setattr(overtaken, "FILE", str(tmp_path / "overtaken"))
    assert not overtaken.lately(elsewhere), "nobody says so"
    overtaken.say()
    assert overtaken.lately(elsewhere)
    assert not overtaken.lately(here), "it has the virtual IP again, as the leader"
