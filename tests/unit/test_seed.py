"""A seed is an ISO image of the files that NoCloud reads; nobody else may read it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.image import seed

DOCUMENTS = {"user-data": "#cloud-config\nhostname: node0\n", "meta-data": "a: 1\n", "network-config": "version: 2\n"}


@pytest.mark.skipif(shutil.which("mkisofs") is None, reason="genisoimage comes with the first lab")
def test_a_seed_has_its_label_and_files(tmp_path: Path) -> None:
    path = seed.write(json.dumps(DOCUMENTS), tmp_path, "node0")
    image = path.read_bytes()
    assert image[0x8028 : 0x8028 + 32].decode().strip() == seed.LABEL, "the volume's name (ECMA-119, 8.4.7)"
    assert all(text.encode() in image for text in DOCUMENTS.values())
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path], "nothing else is left"


@pytest.mark.skipif(shutil.which("mkisofs") is None, reason="genisoimage comes with the first lab")
def test_another_content_is_another_path_in_place_of_the_old_one(tmp_path: Path) -> None:
    first = seed.write(json.dumps(DOCUMENTS), tmp_path, "node0")
    other = seed.write(json.dumps(DOCUMENTS), tmp_path, "node4")
    second = seed.write(json.dumps(DOCUMENTS | {"meta-data": "a: 2\n"}), tmp_path, "node0")
    assert first != second
    assert set(tmp_path.iterdir()) == {other, second}
    namesake = seed.write(json.dumps(DOCUMENTS), tmp_path, "node0-2")
    seed.remove(tmp_path, "node0")
    assert set(tmp_path.iterdir()) == {other, namesake}


@pytest.mark.skipif(shutil.which("mkisofs") is None, reason="genisoimage comes with the first lab")
def test_files_of_the_cache_are_copied_from_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = json.dumps(DOCUMENTS | {seed.COPIES: {"PGPOOL_TARBALL": "stock/0123/PGPOOL_TARBALL"}})
    names = set()
    for place in ("one", "other"):
        file = tmp_path / place / "pgpool-lab" / "stock" / "0123" / "PGPOOL_TARBALL"
        file.parent.mkdir(parents=True)
        file.write_text("pgpool's sources")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / place))
        path = seed.write(documents, tmp_path / f"seeds-{place}", "node0")
        assert b"pgpool's sources" in path.read_bytes()
        names.add(path.name)
    assert len(names) == 1
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    with pytest.raises(LabError, match="PGPOOL_TARBALL: No such file") as raised:
        seed.write(documents, tmp_path / "seeds", "node0")
    assert "./lab up" in raised.value.remedy


def test_without_mkisofs_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="mkisofs is not installed"):
        seed.write(json.dumps(DOCUMENTS), tmp_path, "node0")
