"""Refuses a change of settings that the data of a lab that exists depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from pgpool_lab.errors import LabError

OWN_IMAGE, CLOUD_IMAGE = "the lab's own image", "a cloud image"

ONE_WAY = {("image.source", OWN_IMAGE, CLOUD_IMAGE)}
"""Changes that are let through, as key, before and after, while the way back is refused.

The service account has another number on either image: a cloud image's machine makes the data its own while it
installs (cloud-init/stock/owner.sh), the lab's own image has nothing that does.
"""


class KeptSettings:
    """Records settings by their keys when the lab is made; a later run with others is refused."""

    resource: pulumi.Stash
    """What goes before everything that these settings are about."""

    def __init__(
        self, name: str, settings: Mapping[str, str], *, stack: str, parent: pulumi.Resource | None = None
    ) -> None:
        self._stack = stack
        hook = pulumi.ResourceHook(name, self._compare, pulumi.ResourceHookOptions(on_dry_run=True))
        self.resource = pulumi.Stash(
            name,
            pulumi.ResourceOptions(parent=parent, hooks=pulumi.ResourceHookBinding(before_update=[hook])),
            input=dict(settings),
        )

    def _compare(self, args: pulumi.ResourceHookArgs) -> None:
        if changes := changed((args.old_inputs or {})["input"], (args.new_inputs or {})["input"]):
            raise LabError(
                f"{'; '.join(changes)}: the data of this lab depend on it",
                f"undo the change, or make the lab anew: ./lab down {self._stack}, then ./lab up {self._stack}",
            )


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Each setting that differs, as `key: old cannot become new`; one that was not recorded yet may be anything."""
    return [
        f"{key}: {before[key]} cannot become {value}"
        for key, value in now.items()
        if before.get(key, value) != value and (key, before[key], value) not in ONE_WAY
    ]
