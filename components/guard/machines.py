"""Refuses an update that would replace the machines of two nodes at once, which would take the cluster down.

The state records beside each machine what it was made from. The record changes only when the machine was replaced, so
what would change it in a preview is a replacement that the engine has planned: a machine that was lost and is made anew
as it was, and one that a run with `--target` leaves alone, don't count. `--skip-preview` goes past this check, for
machines that are down already.
"""

from __future__ import annotations

import pulumi

from pgpool_lab.errors import LabError
from pgpool_lab.rolling import HOOK


class OneMachineAtATime:
    """Counts the machines that one run of the program replaces."""

    def __init__(self, stack: str) -> None:
        self._stack = stack
        self._replaced: set[str] = set()
        self._hook = pulumi.ResourceHook(HOOK, self._count, pulumi.ResourceHookOptions(on_dry_run=True))

    def record(
        self, node: str, *, definition: pulumi.Input[str], machine: pulumi.Resource, parent: pulumi.Resource | None
    ) -> pulumi.Stash:
        """Record what a node's machine is made from, as a text that differs when the machine has to be replaced."""
        return pulumi.Stash(
            f"{node}-machine",
            pulumi.ResourceOptions(
                parent=parent,
                depends_on=[machine],
                hooks=pulumi.ResourceHookBinding(before_update=[self._hook]),
            ),
            input={"node": node, "definition": definition},
        )

    def _count(self, args: pulumi.ResourceHookArgs) -> None:
        self._replaced.add(args.name.removesuffix("-machine"))
        if len(self._replaced) > 1 and pulumi.runtime.is_dry_run():
            names = " and ".join(sorted(self._replaced))
            raise LabError(
                f"this update would replace the machines of {names} at once, which would take the cluster down",
                f"./lab up {self._stack} replaces one after the other",
            )
