"""Every sabotage: what is done, what takes it back, and what the harness must say of it."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

from pgpool_lab.cluster.outputs import LabOutputs, NodeOutput
from pgpool_lab.harness.invariants.model import TOLD_SECONDS
from pgpool_lab.harness.scenarios.model import Arrangement, Await, Inject, Restore, Role, Scenario, Step, Watch
from pgpool_lab.harness.workload.table import TABLE
from tests.live.direct_sql import alter_system, sql
from tests.live.saboteur import Ground, Sabotage

KEPT = ".sabotaged"
"""What a script's file is called, behind its name, while another one stands in its place."""

MOMENT_SECONDS = 1.0
"""The sabotage itself is all that has to happen before the fault."""
SHOWN_SECONDS = 8.0
"""Of two holders or two primaries: several times what is tolerated, and more than a dozen samples of each node."""
LAGGING_SECONDS = 8.0
"""Some eighty rows that the lagging standby lacks."""
NO_FAILOVER_SECONDS = 20.0
"""A promotion comes within 10 s. pgpool goes on looking for a primary for longer (search_primary_node_timeout), so one
that is made afterwards is found."""
NOT_FOLLOWED_SECONDS = 45.0
"""A promotion on three nodes, and a standby that only has to change whom it follows."""


def scenario(name: str, sentence: str, *steps: Step, nodes: int = 2) -> Scenario:
    return Scenario(f"sabotage-{name}", sentence, Arrangement.TOGETHER, (*steps, Restore()), nodes=nodes)


# --- scripts of pgpool's


def follow_script(node: NodeOutput) -> str:
    """pgpool's follow command lies beside its failover command."""
    return str(PurePosixPath(node.scripts.failover).with_name("follow.sh"))


def replace_script(path: str, body: str) -> str:
    """A script that puts another one in the place of one, with its owner and mode."""
    return "\n".join(
        [
            f"[ -e {path}{KEPT} ] || cp -p {path} {path}{KEPT}",
            f"cat >{path} <<'SABOTAGE'\n#!/usr/bin/env bash\n{body}\nSABOTAGE",
        ]
    )


def put_back(path: str) -> str:
    return f"[ ! -e {path}{KEPT} ] || mv {path}{KEPT} {path}"


def failover_does_nothing(ground: Ground) -> None:
    for node in ground.control.outputs.nodes:
        ground.control.shell(node, replace_script(node.scripts.failover, "exit 0"))


def do_the_failover(ground: Ground) -> None:
    """Put the script back, and do by hand what it had to do."""
    put_failover_back(ground)
    standby = ground.standbys[0]
    if sql(ground.control.outputs, standby, "SELECT 1 WHERE pg_is_in_recovery()"):
        ground.control.shell(standby, f"runuser -u postgres -- {promotion(standby)}")


def promotion(node: NodeOutput) -> str:
    """A command of the service account's that promotes a node, by the programs of the server that runs there."""
    server = f"readlink /proc/$(head -n 1 {node.data_directory}/postmaster.pid)/exe"
    return f'bash -c \'"$(dirname "$({server})")/pg_ctl" -D {node.data_directory} promote\''


def put_failover_back(ground: Ground) -> None:
    for node in ground.control.outputs.nodes:
        ground.control.shell(node, put_back(node.scripts.failover))


def follow_does_nothing(ground: Ground) -> None:
    for node in ground.control.outputs.nodes:
        ground.control.shell(node, replace_script(follow_script(node), "exit 0"))


def put_follow_back(ground: Ground) -> None:
    for node in ground.control.outputs.nodes:
        ground.control.shell(node, put_back(follow_script(node)))


# --- the wrong node


def promote_the_laggard(ground: Ground) -> None:
    """The last standby no longer receives anything, and is the one that is promoted."""
    laggard = ground.standbys[-1]
    body = promotion_of(ground.control.outputs, laggard)
    for node in ground.control.outputs.nodes:
        ground.control.shell(node, replace_script(node.scripts.failover, body))
    # The WAL receiver ends with it (PostgreSQL manual, primary_conninfo: since 13 it can be reloaded).
    alter_system(ground.control.outputs, laggard, "SET primary_conninfo = ''")


def promotion_of(outputs: LabOutputs, node: NodeOutput) -> str:
    """A failover script that promotes one node, whoever failed.

    The setting goes first: pg_rewind would copy it to the nodes that are to follow.
    """
    psql = f"psql -XAtq -p {node.pg_port} -U {outputs.credentials.superuser.user} -d postgres"
    reset = f'{psql} -c "ALTER SYSTEM RESET primary_conninfo"'
    return f"exec ssh -n -o BatchMode=yes postgres@{node.name} {shlex.quote(f'{reset} && {promotion(node)}')}"


def forget_the_laggard(ground: Ground) -> None:
    put_failover_back(ground)
    alter_system(ground.control.outputs, ground.standbys[-1], "RESET primary_conninfo")


# --- two of what there must be one of


def second_holder(ground: Ground) -> None:
    standby = ground.standbys[0]
    ground.control.shell(standby, f"{standby.scripts.virtual_ip} take")


def first_holder_only(ground: Ground) -> None:
    standby, holder = ground.standbys[0], ground.primary
    ground.control.shell(standby, f"{standby.scripts.virtual_ip} down")
    ground.control.shell(holder, f"{holder.scripts.virtual_ip} announce")


def second_primary(ground: Ground) -> None:
    standby = ground.standbys[0]
    ground.control.shell(standby, f"runuser -u postgres -- {promotion(standby)}")


def first_primary_only(ground: Ground) -> None:
    """The one that was promoted has nothing that is missed: no client was sent there."""
    standby = ground.standbys[0]
    ground.control.shell(standby, f"systemctl stop {standby.services.postgresql}")


# --- data


def delete_a_row(ground: Ground) -> None:
    """The oldest: its client was told long ago that it is kept."""
    oldest = f"SELECT min(number) FROM {TABLE}"
    sql(ground.control.outputs, ground.primary, f"DELETE FROM {TABLE} WHERE number = ({oldest})")


def nothing(ground: Ground) -> None:
    """A deleted row stays deleted; the next run makes its table anew."""


# --- a view


def deaf_pgpool(ground: Ground) -> None:
    """The standby's pgpool answers its clients and is no longer told anything; then a backend is detached elsewhere.

    A pgpool's main process takes the leader's view over (pgpool_main.c, sync_backend_from_watchdog); its children
    answer from shared memory, and its watchdog says that it is alive.
    """
    standby, leader = ground.standbys[0], ground.primary
    ground.control.shell(standby, f"kill -STOP $({main_process(standby)})")
    pcp = ground.control.outputs.credentials.pcp.user
    ground.control.shell(
        leader,
        "runuser -u postgres -- env PCPPASSFILE=/var/lib/postgresql/.pcppass /usr/local/pgpool/bin/pcp_detach_node"
        f" -h 127.0.0.1 -p {leader.pcp_port} -U {pcp} -w -n {standby.backend_id}",
    )


def hearing_pgpool(ground: Ground) -> None:
    """It takes over then what it has missed."""
    standby = ground.standbys[0]
    ground.control.shell(standby, f"kill -CONT $({main_process(standby)})")


def main_process(node: NodeOutput) -> str:
    """A command that prints the process id of pgpool's main process (systemctl(1))."""
    return f"systemctl show -P MainPID {node.services.pgpool}"


SABOTAGES: tuple[Sabotage, ...] = (
    Sabotage(
        scenario(
            "failover-does-nothing",
            "the failover command does nothing when the primary stops",
            Watch(MOMENT_SECONDS),
            Inject("postgresql-stop-fast", Role.PRIMARY),
            Await(("primary-changes",), NO_FAILOVER_SECONDS),
        ),
        failover_does_nothing,
        do_the_failover,
        "primary-changes",
        lambda ground: {ground.primary.name},
    ),
    Sabotage(
        scenario(
            "wrong-node-promoted",
            "the failover command promotes a standby that lags behind the other",
            Watch(LAGGING_SECONDS),
            Inject("postgresql-stop-fast", Role.PRIMARY),
            Await(("primary-changes",), NOT_FOLLOWED_SECONDS),
            nodes=3,
        ),
        promote_the_laggard,
        forget_the_laggard,
        "acknowledged rows",
        lambda ground: {ground.standbys[-1].name},
        # primary_conninfo can be reloaded since then (manual, release notes).
        postgresql="13",
    ),
    Sabotage(
        scenario(
            "follow-does-nothing",
            "the follow command does nothing after a failover",
            Watch(MOMENT_SECONDS),
            Inject("postgresql-stop-fast", Role.PRIMARY),
            Await(("primary-changes", "standbys-follow"), NOT_FOLLOWED_SECONDS),
            nodes=3,
        ),
        follow_does_nothing,
        put_follow_back,
        "standbys-follow",
        lambda ground: {standby.name for standby in ground.standbys},
    ),
    Sabotage(
        scenario("second-holder", "the virtual IP is added on a second node", Watch(SHOWN_SECONDS)),
        second_holder,
        first_holder_only,
        "one holder",
        lambda ground: {ground.primary.name, ground.standbys[0].name},
    ),
    Sabotage(
        scenario("second-primary", "a standby is promoted behind pgpool's back", Watch(SHOWN_SECONDS)),
        second_primary,
        first_primary_only,
        "one primary",
        lambda ground: {ground.primary.name, ground.standbys[0].name},
    ),
    Sabotage(
        scenario("row-deleted", "an acknowledged row is deleted on the primary, past pgpool", Watch(MOMENT_SECONDS)),
        delete_a_row,
        nothing,
        "acknowledged rows",
        lambda ground: {ground.primary.name},
    ),
    Sabotage(
        scenario(
            "stale-view",
            "a pgpool answers its clients and is no longer told what the others know",
            Watch(2 * TOLD_SECONDS),
        ),
        deaf_pgpool,
        hearing_pgpool,
        "no stale view",
        lambda ground: {ground.primary.name, ground.standbys[0].name},
    ),
)
