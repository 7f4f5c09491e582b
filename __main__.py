"""The Pulumi program: reads the settings, builds the lab, exports what a client needs to know."""

from __future__ import annotations

import os
import signal

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from components.cluster import Cluster
from components.cluster.outputs import NAMESPACE_VARIABLE, outputs
from pgpool_lab import given
from pgpool_lab.engine import refuse_another_state
from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor import probe_domain_type, program_check
from pgpool_lab.image import base
from pgpool_lab.image.recipe import ImageRecipe
from pgpool_lab.paths import LabPaths
from pgpool_lab.settings import from_engine


def main() -> None:
    paths = LabPaths(pulumi.get_stack())
    refuse_another_state(paths, os.environ.get("PULUMI_BACKEND_URL"))
    settings_file = f"stacks/{paths.stack_file.name}"
    settings = from_engine({**get_config_env(), **CONFIG.get()}, settings_file)
    libvirt_uri = settings.libvirt_uri or os.environ.get("LIBVIRT_DEFAULT_URI") or "qemu:///system"
    recipe = ImageRecipe.of(settings)
    given.check(settings, paths.stack_file, private=NAMESPACE_VARIABLE in os.environ)
    base.check(recipe)
    program_check(libvirt_uri, paths.stack, settings_file)
    cluster = Cluster(
        "lab",
        settings=settings,
        paths=paths,
        domain_type=probe_domain_type() if settings.domain_type == "auto" else settings.domain_type,
        libvirt_uri=libvirt_uri,
        recipe=recipe,
    )
    for name, value in outputs(cluster, settings, paths, libvirt_uri).items():
        pulumi.export(name, value)


# The engine interrupts the program where a user interrupts it, and where a guard refuses an update: Python would print
# a traceback below the reason.
signal.signal(signal.SIGINT, signal.SIG_DFL)
try:
    main()
except LabError as error:
    # Without a traceback: it is the user who can mend this.
    raise pulumi.RunError(str(error)) from None
