"""One lab on this machine, from nothing to healthy and back: what the commands of `lab` are made of."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pgpool_lab import consoles, event_log, given, hypervisor, machine, rolling, room, toolchain
from pgpool_lab.bench import Bench, boot_times, description, phases
from pgpool_lab.cluster.client import answers, run_on
from pgpool_lab.cluster.outputs import LabOutputs, NodeOutput
from pgpool_lab.cluster.outputs import from_file as outputs_from_file
from pgpool_lab.cluster.status import primaries, status
from pgpool_lab.engine import (
    Engine,
    has_resources,
    has_state,
    open_engine,
    readable,
    recorded_libvirts,
    recorded_networks,
    refuse_a_second,
)
from pgpool_lab.errors import LabError
from pgpool_lab.image import base, builder
from pgpool_lab.image.recipe import ImageRecipe
from pgpool_lab.outdated import changes, forget_snapshots
from pgpool_lab.paths import LabPaths, cache_directory, given_file
from pgpool_lab.progress import console, step
from pgpool_lab.revision import commit
from pgpool_lab.settings import LabSettings, from_stack_file
from pgpool_lab.settings.model import MIRROR_PORT
from pgpool_lab.waiting import NotInTime, wait_for

SYSTEM_URI = "qemu:///system"

BOOT_SECONDS = 300
"""An emulated machine boots in about a minute; several times that on a busy host."""

PROMOTION_SECONDS = 180
"""Health checks, the failover and the search for the new primary, emulated and starved."""

NODE_SECONDS = 900
"""A base backup, a rewind and the wait until all agree, emulated and starved."""


def refuse_given_outputs() -> None:
    """Raise LabError where a command is about a lab of this checkout, and its outputs would be another one's."""
    if given := os.environ.get("LAB_OUTPUTS"):
        raise LabError(f"LAB_OUTPUTS: {given} tells of a lab that was built elsewhere", "unset LAB_OUTPUTS")


@dataclass(frozen=True)
class Lab:
    """A stack of this checkout, on a libvirt of its own or (`system`) on the user's."""

    paths: LabPaths
    system: bool = False

    @property
    def kept(self) -> LabPaths:
        """Where this checkout keeps what it knows of the lab that commands work on: one that was built elsewhere is not
        the stack of that name which is here."""
        given = os.environ.get("LAB_OUTPUTS")
        if not given:
            return self.paths
        outputs = outputs_from_file(Path(given))
        lab = f"{outputs.libvirt_uri} {outputs.nodes[0].domain}"
        return LabPaths(f"elsewhere-{hashlib.sha256(lab.encode()).hexdigest()[:8]}", self.paths.project)

    @property
    def settings(self) -> LabSettings:
        """The stack's settings. Raises LabError that names the key or file."""
        return from_stack_file(self.paths.stack_file)

    def up(self, options: Sequence[str] = ()) -> None:
        """Prepare what is missing, bring the stack up, start what does not start by itself.

        `options` are further ones of `pulumi up`. Raises LabError with the next step to take.
        """
        refuse_given_outputs()
        settings = self.settings
        self._refuse_a_state_elsewhere()
        given.check(settings, self.paths.stack_file, private=not self.system)
        recipe = ImageRecipe.of(settings)
        base.check(recipe)
        self._check_room(settings, recipe)
        self._refuse_unused_libvirt(settings)
        self._refuse_another_libvirt()
        machine.install(self.paths.logs / "packages.log")
        if self.system:
            hypervisor.connect_check(self._system_uri)
        tools = self._toolchain(named=True)
        base.obtain(recipe)
        engine = self._open(tools)
        self._serve_mirror(settings)
        # Without this variable the CLI does not know the options that are for its developers.
        engine = replace(engine, variables={**engine.variables, "PULUMI_DEBUG_COMMANDS": "true"})
        refuse_a_second(self.paths)
        self._forget_unrecorded(engine.recorded(), self._libvirt_elsewhere or hypervisor.uri(self.paths))
        if not self.system:
            hypervisor.refuse_paused(self.paths)
        if not engine.whole():
            # Of machines that are gone since.
            self.replacing.unlink(missing_ok=True)
        if self.replacing.exists():
            # What is left of it may be the primary's machine alone, which an update would take at once.
            self._replace_machines(engine, settings)
        elif self._update(engine, options) != 0:
            if not rolling.refused(event_log.read(self._events)):
                raise self._failed()
            if engine.whole():
                self._replace_machines(engine, settings)
            # Nobody uses a lab that was never whole; the data disks outlive the machines.
            elif self._update(engine, [*options, "--skip-preview"]) != 0:
                raise self._failed()
        outputs = engine.outputs()
        if not status(outputs, self.paths.stack)["healthy"]:
            # A restarted machine starts neither PostgreSQL nor pgpool by itself: that is a join.
            with step("Waiting until every node takes logins"):
                self._wait_for_logins(outputs)
            with step("Starting PostgreSQL and pgpool by the rules of join"):
                self.agent(outputs, outputs.nodes[0], "start")

    def _check_room(self, settings: LabSettings, recipe: ImageRecipe) -> None:
        """Raises LabError where this machine has no room for what is still to be made.

        A lab that stands has taken its memory and its disk; a libvirt that is not this machine's has its own.
        """
        needs = toolchain.needs(os.environ.get("LAB_TOOLCHAIN"))
        if not base.present(recipe):
            needs.append(room.for_image(cache_directory()))
        if not has_resources(self.paths):
            elsewhere = self._libvirt_elsewhere
            if elsewhere is None or hypervisor.on_this_host(elsewhere):
                hypervisor.check_memory(settings.memory_mib)
            if elsewhere is None:
                needs.append(room.for_disks(self.paths.root, len(settings.nodes), room.ANOTHER_CHECKOUT))
            elif hypervisor.sees_this_tree(elsewhere):
                needs.append(room.for_disks(self.paths.pool, len(settings.nodes)))
        hypervisor.check_disk(needs)

    def _forget_unrecorded(self, recorded: Collection[str], at: str) -> None:
        """Remove what an interrupted update has made in the libvirt `at` and not recorded."""
        try:
            machines = [each.name for each in self.settings.machines]
        except LabError:
            # A lab whose settings are wrong or gone can be removed all the same.
            machines = []
        removed = hypervisor.forget_unrecorded(self.paths, recorded, machines, at)
        if removed:
            console.print(f"  left by an interrupted run, removed: {len(removed)} objects")

    @property
    def _system_uri(self) -> str:
        """The libvirt of a lab that has none of its own, as the program finds it."""
        try:
            configured = self.settings.libvirt_uri
        except LabError:
            # A lab whose settings are wrong or gone can be removed all the same.
            configured = ""
        return configured or os.environ.get("LIBVIRT_DEFAULT_URI") or SYSTEM_URI

    @property
    def _domain_type(self) -> hypervisor.DomainType | None:
        """How the machines are run where the settings say so; None: a probe finds out what works."""
        try:
            chosen = self.settings.domain_type
        except LabError:
            # A lab whose settings are wrong or gone can be removed all the same.
            return None
        return None if chosen == "auto" else chosen

    def _refuse_unused_libvirt(self, settings: LabSettings) -> None:
        """Raises LabError when the settings name a libvirt beside the lab's own: half of the lab would be on each."""
        if settings.libvirt_uri and self._libvirt_elsewhere is None:
            raise LabError(
                f"libvirt_uri: {settings.libvirt_uri} is not used together with the lab's own libvirt",
                f"./lab up {self.paths.stack} --system, or pulumi outside ./lab run; or remove libvirt_uri from "
                f"{self.paths.stack_file}",
            )

    def _refuse_a_state_elsewhere(self) -> None:
        """Raises LabError for a lab of plain `pulumi`, with a state that is not here: both have the key, the known
        hosts and the seeds in the same place."""
        if self.paths.operator_key.exists() and not hypervisor.any_left(self.paths) and not has_state(self.paths):
            raise LabError(
                f"the lab {self.paths.stack} was made by pulumi with a state of its own",
                f"pulumi destroy --stack {self.paths.stack}; where that state is lost, remove {self.paths.root}",
            )

    def _refuse_a_copy(self) -> None:
        """Raises LabError for a state that came with a copy of another checkout: it is of that one's machines."""
        if strange := sorted(recorded_networks(self.paths) - {self.paths.name}):
            raise LabError(
                f"{self.paths.root} was made in another folder: it records the lab {strange[0]}",
                f"if this checkout is a copy, remove {self.paths.root}; if it was moved, move it back",
            )

    def _refuse_another_libvirt(self) -> None:
        """Raises LabError when the lab's machines are in another libvirt: it would be built a second time, and the
        only record of the first one be gone."""
        # Raises for a name that is too long, also where this one is not used: what is recorded is compared with it.
        own = hypervisor.uri(self.paths)
        wanted = self._system_uri if self.system else own
        self._refuse_a_copy()
        if others := sorted(recorded_libvirts(self.paths) - {wanted}):
            raise LabError(
                f"libvirt_uri: the lab {self.paths.stack} is in the libvirt at {', '.join(others)}, not at {wanted}",
                f"use that one (--system, libvirt_uri), or remove the lab first: ./lab down {self.paths.stack}",
            )

    @property
    def _libvirt_elsewhere(self) -> str | None:
        """The libvirt that the lab's machines are in, or will be; None: one of its own.

        Once there are any, the engine's state says it, whatever the settings and options say since.
        """
        if recorded := recorded_libvirts(self.paths):
            self._refuse_a_copy()
            return min(recorded - {hypervisor.uri(self.paths)}, default=None)
        return self._system_uri if self.system else None

    @property
    def _events(self) -> Path:
        """What the engine did in its last update, and what it said."""
        return self.paths.logs / "events.json"

    @property
    def replacing(self) -> Path:
        """There while machines are replaced one after the other, and afterwards when that was broken off. It names
        those that are just being replaced."""
        return self.paths.root / "rolling"

    def _update(self, engine: Engine, options: Sequence[str] = ()) -> int:
        """Run `pulumi up`; its exit code. When it changed anything, the lab's snapshots are removed."""
        common = ["--yes", "--non-interactive", "--suppress-outputs"]
        try:
            with event_log.kept(self._events) as place:
                return engine.run(["up", "--stack", self.paths.stack, *common, "--event-log", place, *options])
        finally:
            if changes(event_log.read(self._events)):
                forget_snapshots(engine)

    def _failed(self) -> LabError:
        said = self._last_words(consoles.never_ready(event_log.read(self._events)))
        return LabError(f"pulumi up failed: see above{said}", f"./lab up {self.paths.stack} goes on from here")

    def _last_words(self, machines: Sequence[str]) -> str:
        """For an error message: how the consoles of machines end that take no logins."""
        return f"\n{consoles.last_words(self.paths, machines, self.system)}" if machines else ""

    def _replace_machines(self, engine: Engine, settings: LabSettings) -> None:
        """Replace the machines one after the other, in rolling's order; the lab must be healthy before each.

        Those that are down go first and together: they take nothing away. Raises LabError; what was replaced by then
        stays, and a repetition goes on with the others.
        """
        outputs = engine.outputs()
        stack = self.paths.stack
        names = [node.name for node in outputs.nodes]
        if names != [node.name for node in settings.nodes]:
            raise LabError(
                "a changed list of nodes renews every machine, which cannot be done one after the other",
                f"./lab down {stack}, then ./lab up {stack}",
            )
        if settings.witness and outputs.witness is None:
            raise LabError(
                "witness: it is added by an update of its own, which replaces no machine of a node",
                f"leave it out until the other changes are made: ./lab up {stack}, twice",
            )
        console.print(f"  replacing the machines of {', '.join(names)} one after the other")
        begun = self.replacing.read_text().split() if self.replacing.exists() else []
        self.replacing.touch()
        if self._update(engine, rolling.image_options()) != 0:
            raise self._failed()
        compiles = names[0] if ImageRecipe.of(settings).stock else None
        report = status(outputs, stack)
        down, up = rolling.order(report, compiles)
        self._replace(engine, [*down, *rolling.half_made(report, begun, down)], "--skip-preview")
        for name in up:
            if name in primaries(self._healthy(outputs)) and rolling.replaces(
                engine.plan(rolling.node_options(name)), name
            ):
                # Noted before: one that was stopped, and not replaced then, keeps the lab from being healthy.
                self.replacing.write_text(name)
                self._step_down(outputs, name)
            self._replace(engine, [name])
        if self._update(engine) != 0:
            raise self._failed()
        self.replacing.unlink()

    def _replace(self, engine: Engine, names: Sequence[str], *options: str) -> None:
        """Replace the machines of these nodes at once, or go on with it. Raises LabError."""
        if not names:
            return
        self.replacing.write_text(" ".join(names))
        if self._update(engine, [*rolling.node_options(*names), *options]) != 0:
            raise self._failed()
        self.replacing.write_text("")

    def _healthy(self, outputs: LabOutputs) -> dict[str, Any]:
        """The status of a healthy lab. Raises LabError where it is not: then no machine may be taken away."""
        report = status(outputs, self.paths.stack)
        if not report["healthy"]:
            raise LabError(
                f"no machine is replaced while the lab is not healthy: {'; '.join(report['problems'])}",
                f"./lab rejoin NODE, then ./lab up {self.paths.stack} goes on from here",
            )
        return report

    def _step_down(self, outputs: LabOutputs, name: str) -> None:
        """Stop the primary cleanly, so that its standbys have all of its WAL, and wait until one of them is primary."""
        with step(f"Making another node primary than {name}"):
            self.agent(outputs, outputs.node(name), "local", "stop")
            try:
                wait_for(
                    lambda: primaries(status(outputs, self.paths.stack)),
                    lambda found: len(found) == 1 and found != [name],
                    seconds=PROMOTION_SECONDS,
                    what="another node is primary",
                    pause=2,
                )
            except NotInTime as error:
                raise LabError(str(error), f"./lab rejoin {name}; ./lab logs") from None

    def _wait_for_logins(self, outputs: LabOutputs) -> None:
        def silent() -> list[str]:
            return [machine.name for machine in outputs.machines if not answers(outputs, machine)]

        try:
            wait_for(silent, lambda names: not names, seconds=BOOT_SECONDS, what="every node takes logins", pause=2)
        except NotInTime as error:
            raise LabError(
                f"{error}{self._last_words(silent())}", f"./lab up {self.paths.stack} tries again; ./lab doctor"
            ) from None

    def bench(self) -> Bench:
        """Measure bare machines, then build the lab from nothing and measure its phases; it is left as it is then."""
        refuse_given_outputs()
        if has_resources(self.paths):
            raise LabError(f"the lab {self.paths.stack} exists", f"./lab down {self.paths.stack}, then measure")
        settings = self.settings
        node = settings.nodes[0]
        recipe = ImageRecipe.of(settings)
        if recipe.stock:
            raise LabError(
                "image.source: what is measured is how the lab's own image boots",
                "choose another stack, or leave image.source out",
            )
        machine.install(self.paths.logs / "packages.log")
        image, default = builder.build(recipe), builder.build(replace(recipe, boot="default"))
        domain_type = self._domain_type or hypervisor.probe_domain_type()
        times = partial(boot_times, domain_type=domain_type, memory_mib=node.memory_mib, vcpus=node.vcpus)
        with step("Booting two bare machines of the lab's image"):
            bare_pair = times([image, image])
        with step("Booting one of them beside one with the distribution's own boot"):
            lean_and_default = times([image, default])
        self.up(["--skip-preview"])
        return Bench(
            machine=description(domain_type),
            commit=commit(),
            phases=phases(event_log.read(self._events)),
            bare_pair=bare_pair,
            lean_and_default=lean_and_default,
        )

    def down(self) -> None:
        """Destroy the stack and remove everything that belongs to the lab, from whatever state it is in.

        What is in the lab's own libvirt goes with that. In another one only the engine finds it: when it fails, the
        state stays.

        Raises LabError where there is neither a lab nor a stack of this name: it was mistyped. As well for a lab whose
        state is not here: its machines would lose their key and stay.
        """
        refuse_given_outputs()
        if not hypervisor.any_left(self.paths) and not self.paths.root.exists():
            if not self.paths.stack_file.exists():
                from_stack_file(self.paths.stack_file)
            console.print(f"  the lab {self.paths.stack} does not exist: there is nothing to remove")
            return
        self._refuse_a_state_elsewhere()
        if not self.system and not self.paths.libvirt.exists() and not readable(self.paths):
            raise LabError(
                f"the state in {self.paths.backend} cannot be read, and the lab has no libvirt of its own here: its "
                "machines may be in another",
                f"restore that folder, or remove them there with virsh, and then {self.paths.root}",
            )
        elsewhere = self._libvirt_elsewhere
        if elsewhere is not None and has_state(self.paths):
            engine = self._open(self._toolchain())
            if engine.run(["destroy", "--stack", self.paths.stack, "--yes", "--non-interactive"]) != 0:
                raise LabError(
                    f"pulumi destroy failed: see above; what is left at {elsewhere} is recorded in {self.paths.root}",
                    "repeat it when that libvirt can be reached",
                )
            self._forget_unrecorded((), elsewhere)
        elif has_state(self.paths) and self._destroy() != 0:
            console.print("  pulumi destroy did not succeed; the lab's own libvirt is removed with all that is in it")
        hypervisor.remove(self.paths)
        parent = self.paths.root.parent
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()

    def _destroy(self) -> int:
        try:
            engine = self._open(self._toolchain())
            return engine.run(
                ["destroy", "--stack", self.paths.stack, "--yes", "--non-interactive", "--suppress-outputs"]
            )
        except LabError as error:
            console.print(f"  {error.problem}", markup=False)
            return 1

    def engine(self) -> Engine:
        """The engine of a lab that exists; its libvirt is started when it is not running."""
        if not has_resources(self.paths):
            from_stack_file(self.paths.stack_file)
            raise LabError(f"the lab {self.paths.stack} does not exist", f"./lab up {self.paths.stack}")
        return self._open(self._toolchain())

    def engine_for_run(self, command: Sequence[str]) -> Engine:
        """The engine whether or not the lab exists: a preview or a first `pulumi up` by hand works, too.

        The image for such an update is built before: the lab's network has no way to where its packages come from.
        """
        refuse_given_outputs()
        settings = self.settings
        self._refuse_a_state_elsewhere()
        self._refuse_unused_libvirt(settings)
        recipe = ImageRecipe.of(settings)
        updates = Path(command[0]).name == "pulumi" and bool({"up", "update"} & set(command))
        if updates:
            given.check(settings, self.paths.stack_file, private=self._libvirt_elsewhere is None)
            base.check(recipe)
            self._check_room(settings, recipe)
        machine.install(self.paths.logs / "packages.log")
        tools = self._toolchain()
        if updates:
            base.obtain(recipe)
        engine = self._open(tools)
        if updates:
            self._serve_mirror(settings)
        return engine

    def outputs(self) -> LabOutputs:
        """The lab's outputs: from the file that LAB_OUTPUTS names, or from the stack."""
        given = os.environ.get("LAB_OUTPUTS")
        if given:
            machine.check_asking()
            return outputs_from_file(Path(given))
        return self.engine().outputs()

    def agent(self, outputs: LabOutputs, node: NodeOutput, *words: str) -> str:
        """Run the node agent on a node. Raises LabError with its one sentence when it refuses or fails."""
        try:
            done = run_on(outputs, node, [node.scripts.agent, *words], seconds=NODE_SECONDS)
        except subprocess.TimeoutExpired:
            raise LabError(
                f"{node.name} did not finish `{' '.join(words)}` within {NODE_SECONDS} s", "./lab logs"
            ) from None
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise LabError(f"{node.name}: {said[-1]}", "./lab status; ./lab logs")
        return done.stdout

    def status(self) -> dict[str, Any]:
        return status(self.outputs(), self.paths.stack)

    def _serve_mirror(self, settings: LabSettings) -> None:
        """Have the folder of packages served that the machines install from, where there is one."""
        if settings.image.mirror is not None and self._libvirt_elsewhere is None:
            folder = given_file(settings.image.mirror)
            hypervisor.serve(self.paths, folder, str(settings.network.gateway), MIRROR_PORT)

    def _toolchain(self, *, named: bool = False) -> toolchain.Toolchain:
        return toolchain.take(os.environ.get("LAB_TOOLCHAIN"), named=named)

    def _open(self, tools: toolchain.Toolchain) -> Engine:
        """Start the libvirt where it is the lab's own, and open the engine beside it."""
        if uri := self._libvirt_elsewhere:
            hypervisor.connect_check(uri)
            return open_engine(self.paths, tools, prefix=(), extra={"LIBVIRT_DEFAULT_URI": uri})
        private = hypervisor.start(self.paths, self._domain_type)
        extra = {"LIBVIRT_DEFAULT_URI": private.uri, "PGPOOL_LAB_NAMESPACE": private.namespace}
        return open_engine(self.paths, tools, prefix=hypervisor.enter(self.paths), extra=extra)
