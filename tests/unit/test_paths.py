"""What belongs to a lab lies in folders of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.paths import LabPaths, cache_directory


@pytest.mark.parametrize("stack", ["", ".", "..", "../two-node", "a/b", "-x", "it's", "two node", "a\n"])
def test_a_name_that_would_lead_to_other_folders_is_refused(stack: str, tmp_path: Path) -> None:
    with pytest.raises(LabError) as raised:
        LabPaths(stack, tmp_path)
    assert repr(stack) in raised.value.problem
    assert "stacks/Pulumi.NAME.yaml" in raised.value.remedy


@pytest.mark.parametrize("stack", ["two-node", "legacy-pgpool32", "Mine_2", "2"])
def test_a_lab_has_a_folder_of_its_own(stack: str, tmp_path: Path) -> None:
    assert LabPaths(stack, tmp_path).root == tmp_path / ".lab" / stack


def test_a_cache_at_a_relative_path_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    with pytest.raises(LabError, match="XDG_CACHE_HOME: cache is a relative path"):
        cache_directory()
    monkeypatch.setenv("XDG_CACHE_HOME", "/big")
    assert cache_directory() == Path("/big/pgpool-lab")
