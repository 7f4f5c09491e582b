"""The commands of `lab`. Each prepares the machine where needed and then calls what a person could call."""

from __future__ import annotations

import json
import os
import sys
from itertools import takewhile
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pgpool_lab import machine, testing
from pgpool_lab.cli.stacks import DEFAULT
from pgpool_lab.cli.tables import print_bench, print_checks, print_status
from pgpool_lab.cluster.client import network_prefix, ssh_command
from pgpool_lab.cluster.logs import last_lines
from pgpool_lab.cluster.status import way_out
from pgpool_lab.errors import LabError
from pgpool_lab.lab import Lab
from pgpool_lab.occupation import occupied
from pgpool_lab.paths import PROJECT, LabPaths
from pgpool_lab.progress import console

app = typer.Typer(
    help="A PostgreSQL + pgpool-II high-availability lab on real virtual machines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Stack = Annotated[str, typer.Argument(help="Name of the stack: stacks/Pulumi.STACK.yaml.")]
StackOption = Annotated[str, typer.Option("--stack", help="Name of the stack.")]
System = Annotated[bool, typer.Option("--system", help="Use this machine's own libvirt instead of a private one.")]
Json = Annotated[bool, typer.Option("--json", help="Print the status as JSON.")]


def lab_of(stack: str, system: bool = False) -> Lab:
    return Lab(LabPaths(stack), system)


@app.command()
def up(stack: Stack = DEFAULT, system: System = False) -> None:
    """Build the lab, or bring it back: prepares the machine, runs `pulumi up`, ends with the status."""
    lab = lab_of(stack, system)
    with occupied(lab.paths):
        lab.up()
    report = lab.status()
    print_status(report)
    if not report["healthy"]:
        raise LabError(f"the lab is up but not healthy: {'; '.join(report['problems'])}", way_out(report))


@app.command()
def down(stack: Stack = DEFAULT, system: System = False) -> None:
    """Remove the lab: `pulumi destroy`, then its private libvirt, namespace and files."""
    lab = lab_of(stack, system)
    with occupied(lab.paths):
        lab.down()


@app.command()
def status(stack: Stack = DEFAULT, as_json: Json = False) -> None:
    """Who holds the virtual IP, who is primary, what every pgpool believes. Exit code 0 only when healthy."""
    report = lab_of(stack).status()
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        print_status(report)
    sys.exit(0 if report["healthy"] else 1)


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(command: Annotated[list[str], typer.Argument(help="The command.")], stack: StackOption = DEFAULT) -> None:
    """Run a command inside the lab's network, with toolchain, backend and passphrase set: `lab run -- pulumi up`."""
    engine = lab_of(stack).engine_for_run(command)
    words = [*engine.prefix, *command]
    try:
        os.execvpe(words[0], words, dict(engine.variables))
    except OSError as error:
        raise LabError(f"cannot run {words[0]}: {error.strerror}", "./lab run -- COMMAND") from None


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def ssh(
    node: Annotated[str, typer.Argument(help="Name of the node.")],
    command: Annotated[list[str] | None, typer.Argument(help="A command instead of a shell.")] = None,
    stack: StackOption = DEFAULT,
) -> None:
    """A root shell on a node, or one command there."""
    outputs = lab_of(stack).outputs()
    words = ssh_command(outputs, outputs.machine(node), interactive=True)
    if not command and sys.stdin.isatty():
        words.insert(-1, "-t")
    os.execvp(words[0], [*words, *(command or [])])


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def psql(
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments of psql.")] = None,
    stack: StackOption = DEFAULT,
) -> None:
    """psql through the virtual IP, as the superuser."""
    outputs = lab_of(stack).outputs()
    prefix = network_prefix(outputs.network.namespace)
    environment = {**os.environ, "PGPASSWORD": outputs.credentials.superuser.password}
    command = [*prefix, "psql", outputs.dsn, *(arguments or [])]
    os.execvpe(command[0], command, environment)


@app.command()
def rejoin(
    node: Annotated[str, typer.Argument(help="Name of the node.")],
    force_primary: Annotated[
        str | None, typer.Option(help="Make this node primary although others do not answer.")
    ] = None,
    stack: StackOption = DEFAULT,
) -> None:
    """Bring a node back by the rules of join; rows that only it has are given up."""
    lab = lab_of(stack)
    with occupied(lab.kept):
        outputs = lab.outputs()
        words = ["rejoin", outputs.node(node).name] + (["--force-primary", force_primary] if force_primary else [])
        print(lab.agent(outputs, outputs.node(node), *words).strip())


@app.command()
def switchover(
    node: Annotated[str | None, typer.Argument(help="The new primary.")] = None, stack: StackOption = DEFAULT
) -> None:
    """A planned change of the primary that loses nothing."""
    lab = lab_of(stack)
    with occupied(lab.kept):
        outputs = lab.outputs()
        words = ["switchover"] + ([outputs.node(node).name] if node else [])
        print(lab.agent(outputs, outputs.nodes[0], *words).strip())


@app.command()
def logs(
    node: Annotated[str | None, typer.Argument(help="Name of the node; all of them when left out.")] = None,
    stack: StackOption = DEFAULT,
) -> None:
    """The nodes' logs: PostgreSQL, pgpool, failover, join."""
    outputs = lab_of(stack).outputs()
    for each in [outputs.machine(node)] if node else outputs.machines:
        print(f"===== {each.name}\n{last_lines(outputs, each)}")


class Verbatim(TyperCommand):
    """A command that gets the first `--` as well, which the parser takes away: what follows it is somebody else's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_dashes(args))


def with_dashes(words: list[str]) -> list[str]:
    """The words with `--` doubled where the parser would see it; after a word without dashes it looks no further."""
    seen = list(takewhile(lambda word: word.startswith("-"), words))
    if "--" not in seen:
        return words
    place = seen.index("--")
    return [*words[:place], "--", *words[place:]]


@app.command(cls=Verbatim, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def test(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Stacks, --all, then pytest's arguments after --.")
    ] = None,
) -> None:
    """Every test: unit, program, the plugin's, and live on the lab, which is brought up where it is needed.

    --all adds the stack with a witness, and on each every scenario that fits its number of nodes, measured, with a
    report.
    """
    sys.exit(testing.run(arguments or []))


@app.command()
def bench(stack: Stack = DEFAULT) -> None:
    """Build the lab from nothing and show where the time goes. It must not exist; it is left running."""
    lab = lab_of(stack)
    with occupied(lab.paths):
        found = lab.bench()
    print_bench(found)
    report = testing.new_report_folder() / "bench.json"
    report.write_text(json.dumps(found.document(), indent=2) + "\n")
    console.print(f"report: {report.relative_to(PROJECT)}")


@app.command()
def doctor() -> None:
    """What this machine lacks, and the command that mends it."""
    checks = machine.doctor()
    print_checks(checks)
    sys.exit(0 if all(check.ok for check in checks) else 1)
