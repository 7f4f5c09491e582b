"""A local and a remote command of the same description, in one program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.plugin.engine import Outcome, Resource, Stack, lines


class Makes(Protocol):
    """Makes a command of one kind."""

    def __call__(self, name: str, options: dict[str, Any] | None = None, **arguments: Any) -> Resource: ...


@dataclass(frozen=True)
class Pair:
    """Makes, and asks about, the two commands named after a word and their kinds.

    `{log}` in a text stands for the file in which that kind's commands say what they do, `{kind}` for the kind.
    """

    stack: Stack
    makers: Mapping[str, Makes]

    def __call__(self, name: str, options: dict[str, Any] | None = None, **arguments: Any) -> list[Resource]:
        return [
            make(f"{name}-{kind}", options, **{key: self._fill(value, kind) for key, value in arguments.items()})
            for kind, make in self.makers.items()
        ]

    def _fill(self, value: Any, kind: str) -> Any:
        if not isinstance(value, str):
            return value
        return value.replace("{log}", str(self._log(kind))).replace("{kind}", kind)

    def _log(self, kind: str) -> Path:
        return self.stack.folder / f"log-{kind}"

    def did(self, outcome: Outcome, *operations: str) -> bool:
        """Whether each of the two went through exactly these operations, in this order."""
        assert outcome.ok, outcome.text
        return all(
            [operation for operation, name in outcome.steps if name.endswith(kind)] == list(operations)
            for kind in self.makers
        )

    def logged(self) -> list[str]:
        """What the commands of either kind logged, which must be the same."""
        local, remote = (lines(self._log(kind)) for kind in self.makers)
        assert local == remote
        return local

    def printed(self, name: str, stream: str = "stdout") -> str:
        """The output that the state has of either command, which must be the same."""
        outputs = self.stack.outputs()
        [text] = {outputs[f"{name}-{kind}.{stream}"] for kind in self.makers}
        return text
