"""Tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from pgpool_lab.bench import Bench
from pgpool_lab.cli.stacks import named
from pgpool_lab.machine import Check

console = Console(highlight=False)


def print_status(report: dict[str, Any]) -> None:
    """A lab's status: one line a node, then the virtual IP and what is wrong."""
    table = Table(title=f"lab {report['stack']}")
    for column in ("node", "address", "VIP", "PostgreSQL", "timeline", "lag", "pgpool", "believes"):
        table.add_column(column)
    for node in report["nodes"]:
        table.add_row(*node_row(node, report["vip"]["holders"]))
    if "witness" in report:
        table.add_row(*witness_row(report["witness"], report["vip"]["holders"]))
    console.print(table)
    vip = report["vip"]
    console.print(
        f"virtual IP {vip['address']} on {', '.join(vip['holders']) or 'no node'} (MAC {vip['mac'] or 'none'})"
    )
    if report["healthy"]:
        console.print("healthy")
    for problem in report["problems"]:
        console.print(f"problem: {named(problem, report['stack'])}")


def node_row(node: dict[str, Any], holders: Sequence[str]) -> list[str]:
    """One node's cells."""
    if not node["reachable"]:
        return [node["name"], node["ip"], "", "unreachable", "", "", "", ""]
    postgres = node["postgres"]
    role = (postgres["role"] or "no answer") if postgres["running"] else "stopped"
    return [
        node["name"],
        node["ip"],
        "✓" if node["name"] in holders else "",
        role,
        str(postgres["timeline"] or ""),
        "" if postgres["lag_bytes"] is None else f"{postgres['lag_bytes']} B",
        *pgpool_cells(node["pgpool"]),
    ]


def witness_row(witness: dict[str, Any], holders: Sequence[str]) -> list[str]:
    """The witness's cells: what is PostgreSQL's is left out."""
    holds = "✓" if witness["name"] in holders else ""
    cells = pgpool_cells(witness["pgpool"]) if witness["reachable"] else ["unreachable", ""]
    return [witness["name"], witness["ip"], holds, "none", "", "", *cells]


def pgpool_cells(pgpool: dict[str, Any]) -> list[str]:
    """What a pgpool is, and what it believes."""
    believes = ", ".join(f"{item['name']} {item['role']} {item['status']}" for item in pgpool["backends"])
    return [(pgpool["watchdog_role"] or "no answer").lower() if pgpool["running"] else "stopped", believes]


def print_checks(checks: Sequence[Check]) -> None:
    """What the machine has and lacks."""
    table = Table()
    for column in ("", "check", "found", "what mends it"):
        table.add_column(column)
    for check in checks:
        table.add_row("✓" if check.ok else "✗", check.name, check.detail, "" if check.ok else check.mend)
    console.print(table)


def print_bench(bench: Bench) -> None:
    """A bar a phase, the bare machines, and both ratios."""
    whole = bench.phases[-1].end
    table = Table(title="from `pulumi up` to a healthy lab")
    for column in ("phase", "seconds", ""):
        table.add_column(column)
    for phase in bench.phases:
        offset, length = round(40 * phase.begin / whole), max(1, round(40 * phase.seconds / whole))
        table.add_row(phase.name, f"{phase.seconds:.0f}", " " * offset + "█" * length)
    console.print(table)
    first, second = bench.bare_pair
    lean, default = bench.lean_and_default
    console.print(f"two bare machines, side by side: logins after {first:.0f} s and {second:.0f} s")
    console.print(f"ready ratio {bench.ready_ratio:.2f}: time to healthy over that")
    console.print(
        f"boot ratio {bench.boot_ratio:.2f}: {lean:.0f} s, beside {default:.0f} s with the distribution's boot"
    )
    console.print(bench.machine, highlight=False)
