"""The command line: one module a group of commands."""

from pgpool_lab.cli import experiments
from pgpool_lab.cli.app import app

app.add_typer(experiments.fault, name="fault")
app.add_typer(experiments.scenario, name="scenario")
app.command()(experiments.measure)
app.command()(experiments.snapshot)
app.command()(experiments.rewind)
app.command()(experiments.soak)

__all__ = ["app"]
