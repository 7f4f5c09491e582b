"""CopyToRemote: files, texts, folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.engine import Resource, Stack
from tests.plugin.sshd import Sshd

Copies = Callable[..., Resource]


@pytest.fixture
def copy(sshd: Sshd, tmp_path: Path) -> Copies:
    """Describes a copy: `copy("name", "target", file=…)`, the target being relative to the test's folder."""

    def make(name: str, target: str, triggers: tuple[int, ...] = (), **source: Any) -> Resource:
        arguments = {
            "connection": sshd.connection(),
            "source": {kind: str(content) for kind, content in source.items()},
            "remote_path": str(tmp_path / target),
        }
        return Resource(name, "remote.CopyToRemote", {**arguments, "triggers": list(triggers)})

    return make


def test_every_kind_of_source(stack: Stack, copy: Copies, tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_bytes(b"\0one" * 100_000)
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "deep").write_text("deep")
    (tmp_path / "there").mkdir()

    def described(text: str) -> list[Resource]:
        return [
            copy("file", "new/parents/file", file=file),
            copy("file-into-folder", "there", file=file),
            copy("text", "new/text", text=text),
            copy("folder", "a", archive=folder),
            copy("folder-content", "b", archive=f"{folder}/"),
        ]

    assert stack.preview(*described("one\n")).ok
    assert not (tmp_path / "new").exists()
    up = stack.up(*described("one\n"))
    assert up.ok, up.text
    assert (tmp_path / "new" / "parents" / "file").read_bytes() == file.read_bytes()
    assert (tmp_path / "there" / "file").read_bytes() == file.read_bytes()
    assert (tmp_path / "new" / "text").read_text() == "one\n"
    assert (tmp_path / "a" / "folder" / "inner" / "deep").read_text() == "deep"
    assert (tmp_path / "b" / "inner" / "deep").read_text() == "deep"

    file.write_text("two")
    changed = stack.up(*described("two\n"))
    assert sorted(changed.steps) == [("update", "file"), ("update", "file-into-folder"), ("update", "text")]
    assert (tmp_path / "new" / "parents" / "file").read_text() == "two"
    assert (tmp_path / "new" / "text").read_text() == "two\n"


def test_drift_triggers_and_delete(stack: Stack, copy: Copies, tmp_path: Path) -> None:
    target = tmp_path / "target"
    stack.up(copy("one", "target", text="content"))
    target.write_text("drift")
    assert stack.up(copy("one", "target", text="content")).steps == []
    assert target.read_text() == "drift"
    replaced = stack.up(copy("one", "target", (1,), text="content"))
    assert "replace" in {operation for operation, _ in replaced.steps}
    assert target.read_text() == "content"
    assert stack.up().steps == [("delete", "one")]
    assert target.exists(), "deleting the resource leaves the copy"


@pytest.mark.parametrize(
    ("source", "said"),
    [({"file": "/nowhere/missing"}, "missing"), ({"text": "to a folder"}, "is a directory")],
    ids=["missing-file", "text-to-folder"],
)
def test_errors(stack: Stack, copy: Copies, source: dict[str, str], said: str) -> None:
    up = stack.up(copy("one", ".", **source))
    assert not up.ok
    assert said in up.text
