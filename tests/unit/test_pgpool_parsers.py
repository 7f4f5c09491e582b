"""What pgpool's own tools print, of old versions and new ones."""

from __future__ import annotations

import pytest

from pgpool_lab.node.pcp import backend, watchdog_role, watchdog_roles
from pgpool_lab.node.pgpool import parse_backends
from pgpool_lab.versions import pgpool
from pgpool_lab.versions.numbers import parse, since

HEADER = "2 2 YES node0:9999 Linux node0 node0\n\n"


def line(name: str, host: str, state: str, role: str) -> str:
    return f"{name} {host} 9999 9000 {state} {role} 0 MEMBER\n"


WATCHDOG: dict[str, tuple[str, str | None]] = {
    "this node leads": (
        HEADER
        + line("node0:9999 Linux node0", "node0", "4", "LEADER")
        + line("node4:9999 Linux node4", "node4", "7", "STANDBY"),
        "LEADER",
    ),
    "this node follows": (
        HEADER
        + line("node4:9999 Linux node4", "node4", "7", "STANDBY")
        + line("node0:9999 Linux node0", "node0", "4", "LEADER"),
        "STANDBY",
    ),
    "this node is joining": (HEADER + line("node0:9999 Linux node0", "node0", "2", "JOINING"), "JOINING"),
    "before 4.2": (
        "2 YES node0:9999 Linux node0 node0\n\nnode0:9999 Linux node0 node0 9999 9000 4 MASTER\n",
        "LEADER",
    ),
    "3.3 leading": ("node0 9999 9000 3\n", "LEADER"),
    "3.4 following": ("node4 9999 9000 2\n", "STANDBY"),
    "3.4 down": ("node4 9999 9000 4\n", "4"),
    "name of one word": (HEADER + line("pool", "10.0.0.1", "4", "LEADER"), "LEADER"),
    "summary alone": (HEADER, None),
    "nothing": ("", None),
    "no state": (HEADER + "node0:9999 Linux node0 node0\n", None),
}


@pytest.mark.parametrize(("text", "role"), WATCHDOG.values(), ids=WATCHDOG.keys())
def test_the_watchdog_role_is_the_local_node_s(text: str, role: str | None) -> None:
    assert watchdog_role(text) == role


def test_the_states_of_all_members_begin_with_the_local_one_s() -> None:
    text = HEADER + line("10.0.0.2:9999 Linux witness", "10.0.0.2", "4", "LEADER")
    text += line("node0:9999 Linux node0", "node0", "10", "SHUTDOWN") + line("Not_Set", "node4", "7", "STANDBY")
    assert watchdog_roles(text) == ["LEADER", "SHUTDOWN", "STANDBY"]
    assert watchdog_roles("") == watchdog_roles(HEADER) == []


UP = {"name": "node0", "status": "up", "role": "primary"}
DOWN = {"name": "node4", "status": "down", "role": "standby"}
WAITING = {"name": "node5", "status": "waiting", "role": "standby"}

POOL_NODES: dict[str, tuple[str, list[dict[str, str]]]] = {
    "3.2, with numbers": (
        "node_id,hostname,port,status,lb_weight,role\n"
        "0,node0,5432,2,0.500000,primary\n"
        "1,node4,5432,3,0.500000,standby\n"
        "2,node5,5432,1,0.500000,standby\n",
        [UP, DOWN, WAITING],
    ),
    "4.3, with words and more columns": (
        "node_id,hostname,port,status,pg_status,lb_weight,role,pg_role,select_cnt,load_balance_node,"
        "replication_delay,replication_state,replication_sync_state,last_status_change\n"
        "0,node0,5432,up,up,0.500000,primary,primary,0,true,0,,,2024-01-01 10:00:00\n"
        "1,node4,5432,down,up,0.500000,standby,standby,0,false,0,streaming,async,2024-01-01 10:00:00\n",
        [UP, DOWN],
    ),
    "a status of its own": (
        "node_id,hostname,port,status,lb_weight,role\n0,node0,5432,quarantine,0.5,primary\n",
        [{**UP, "status": "quarantine"}],
    ),
    "no rows": ("node_id,hostname,port,status,lb_weight,role\n", []),
    "nothing": ("", []),
}


@pytest.mark.parametrize(("text", "rows"), POOL_NODES.values(), ids=POOL_NODES.keys())
def test_backends_are_read_by_column_name(text: str, rows: list[dict[str, str]]) -> None:
    assert parse_backends(text) == rows


NODE_COLUMNS: dict[str, str] = {
    "3.2": "node_id hostname port status lb_weight role",
    "3.5": "node_id hostname port status lb_weight role select_cnt",
    "3.6": "node_id hostname port status lb_weight role select_cnt load_balance_node replication_delay",
    "4.0": "node_id hostname port status lb_weight role select_cnt load_balance_node replication_delay "
    "last_status_change",
    "4.1": "node_id hostname port status lb_weight role select_cnt load_balance_node replication_delay "
    "replication_state replication_sync_state last_status_change",
    "4.3": "node_id hostname port status pg_status lb_weight role pg_role select_cnt load_balance_node "
    "replication_delay replication_state replication_sync_state last_status_change",
}
"""Columns of `show pool_nodes` (pool_process_reporting.c, nodes_report)."""

STATUS_WORDS: dict[str, tuple[str, ...]] = {
    "3.2": ("0", "1", "2", "3"),
    "3.6": ("unused", "waiting", "up", "down"),
    "3.7": ("unused", "waiting", "up", "down", "quarantine"),
}
"""What `show pool_nodes` can say of a backend, in the order of pgpool's own numbers (pool_type.h, BACKEND_STATUS)."""


@pytest.mark.parametrize("version", [f"{series}.0" for series in pgpool.SERIES])
def test_backends_are_read_from_every_version_s_columns(version: str) -> None:
    columns = since(NODE_COLUMNS, parse(version)).split()
    words = dict(zip(("unused", "waiting", "up", "down"), since(STATUS_WORDS, parse(version)), strict=False))
    values = {"hostname": "node0", "role": "primary", "pg_role": "standby", "pg_status": "unknown"}
    rows = [
        ",".join({**values, "status": words[status]}.get(name, f"value of {name}") for name in columns)
        for status in words
    ]
    text = "\n".join([",".join(columns), *rows]) + "\n"
    assert parse_backends(text) == [{**UP, "status": status} for status in words]


BACKENDS: dict[str, tuple[str, dict[str, str]]] = {
    "down": ("node0 5432 3 0.5 down unknown standby unknown 0 none none\n", {"status": "down", "role": "standby"}),
    "primary": ("node0 5432 2 0.5 up up primary primary 0 none none\n", {"status": "up", "role": "primary"}),
    "out of use without a quorum": (
        "node0 5432 3 0.333333 quarantine down standby unknown 0 none none 2026-11-28 13:56:03\n",
        {"status": "quarantine", "role": "standby"},
    ),
    "before 3.5": ("node4 5432 2 0.5\n", {"status": "up", "role": "standby"}),
}


@pytest.mark.parametrize(("text", "expected"), BACKENDS.values(), ids=BACKENDS.keys())
def test_what_pgpool_believes_of_a_backend_by_pcp(text: str, expected: dict[str, str]) -> None:
    assert backend(text) == expected
