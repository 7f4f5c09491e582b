"""pgpool.conf as data: every parameter with the concern it belongs to.

Every form that a thing has had is given; the table of versions keeps those that the version knows.
Source: pgpool-II 4.3 manual, "Server Configuration"; for earlier forms the samples of those versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from string import digits

from components.pgpool import layout
from pgpool_lab.versions.pgpool import PgpoolTraits
from pgpool_lab.versions.pgpool_parameters import knows, only_known

Value = int | str | bool

OF_A_WITNESS: dict[str, Value] = {
    # Without an address to take, escalation is its command alone (wd_escalation.c, fork_escalation_process), and peers
    # compare neither (watchdog.c, verify_pool_configurations).
    "delegate_IP": "",
    "delegate_ip": "",
    "wd_escalation_command": "",
    "wd_de_escalation_command": "",
    # It has no part in serving, so that it asks for no failover either: it carries out, should it lead, what a node's
    # pgpool asks for. Nor does a checker of its own wait for a dead host, which can stop a failover for ever.
    "health_check_period": 0,
    "sr_check_period": 0,
    "failover_on_backend_shutdown": False,
    "failover_on_backend_error": False,
    "fail_over_on_backend_error": False,
}
"""What the pgpool of a witness does otherwise than the nodes', whatever the user has set."""

DELAY_BYTES = 4 * 1024
"""How much WAL a standby may lack and still be read from: so little that clients who write a few rows a second come to
it within seconds (docs/three-nodes.md has what was tried). One that keeps up lacks next to none when it is asked; how
late it is, pgpool knows since 4.4 only."""

FOLLOW_COMMANDS = ("follow_primary_command", "follow_master_command")
"""The command's names, since 4.2 and before."""
FOLLOW_COMMAND = f'{layout.FOLLOW} "%d" "%h" "%P" "%m" "%H"'


def pgpool_parameters(
    *,
    traits: PgpoolTraits,
    nodes: Sequence[str],
    members: Sequence[str],
    this: str,
    vip: str,
    ports: Mapping[str, int],
    data_directory: str,
    check_user: str,
    check_password: str,
    auth: str,
    wd_authkey: str,
    wd_priority: int,
    timings: Mapping[str, Value],
    overrides: Mapping[str, Value],
) -> dict[str, dict[str, Value]]:
    """Parameters grouped by concern. `ports` has `postgresql`, `pgpool`, `pcp` and `watchdog`.

    `members` of the watchdog are the `nodes`, which are the backends, and a witness where there is one, under its
    address. All groups but `watchdog of this node` are the same on every node; `this` is the member's name among them.
    """
    # Left empty, the checks would look it up in pool_passwd, at one file position that all of them inherit and move
    # (pool_passwd.c, pool_get_user_credentials; main.c opens it). When two do so at the same moment, one finds the end
    # of the file, tries no password, and tries none again: a failover of a backend that is well.
    password = "" if auth == "trust" else check_password
    heartbeat = "heartbeat" in traits.lifecheck_methods
    virtual_ip = layout.VIRTUAL_IP if traits.interface_commands == "absolute" else PurePosixPath(layout.VIRTUAL_IP).name
    programs = str(PurePosixPath(layout.VIRTUAL_IP).parent)
    groups: dict[str, dict[str, Value]] = {
        "clients": {
            "listen_addresses": "*",
            "port": ports["pgpool"],
            "socket_dir": "/var/run/pgpool",
            "unix_socket_directories": "/var/run/pgpool",
            "pcp_listen_addresses": "*",
            "pcp_port": ports["pcp"],
            "pcp_socket_dir": "/var/run/pgpool",
            "pid_file_name": "/var/run/pgpool/pgpool.pid",
            "logdir": "/var/run/pgpool",
            # Sixteen clients are plenty for a lab; each is a process, and a node lives with 768 MiB.
            "num_init_children": 16,
            "max_pool": 2,
            "child_life_time": 0,
            "log_line_prefix": "%m: pid %p: ",
        },
        "authentication": {
            "enable_pool_hba": auth != "trust",
            "pool_passwd": "" if auth == "trust" else "pool_passwd",
            "allow_clear_text_frontend_auth": False,
        },
        "backends": {
            "backend_clustering_mode": "streaming_replication",
            "master_slave_mode": True,
            "master_slave_sub_mode": "stream",
            "load_balance_mode": True,
            # A session that wrote reads its own writes.
            "disable_load_balance_on_write": "always",
            # A standby that does not keep up, for example on a full disk, goes on answering, and no check of pgpool's
            # minds: it is not read from while it is behind.
            "delay_threshold": DELAY_BYTES,
            **numbered(
                nodes,
                {
                    "backend_hostname": "{node}",
                    "backend_port": ports["postgresql"],
                    "backend_weight": 1,
                    "backend_data_directory": data_directory,
                    "backend_flag": "ALLOW_TO_FAILOVER",
                    "backend_application_name": "{node}",
                },
            ),
        },
        "checks": {
            "health_check_user": check_user,
            "health_check_password": password,
            "health_check_database": "postgres",
            "sr_check_user": check_user,
            "sr_check_password": password,
            "sr_check_database": "postgres",
            **{name: value for name, value in timings.items() if not name.startswith("wd_")},
        },
        "failover": {
            # Every placeholder is quoted: pgpool leaves an unknown one empty, which would shift the others.
            "failover_command": f'{layout.FAILOVER} "%d" "%h" "%P" "%m" "%H"',
            # With it, pgpool detaches every standby before it lets clients in again. Of two nodes none is left for it.
            **({name: FOLLOW_COMMAND for name in FOLLOW_COMMANDS} if len(nodes) > 2 else {}),
            "detach_false_primary": False,
            "auto_failback": False,
        },
        "watchdog": {
            "use_watchdog": True,
            "delegate_IP": vip,
            "delegate_ip": vip,
            "wd_ipc_socket_dir": "/var/run/pgpool",
            "wd_authkey": wd_authkey,
            "wd_lifecheck_method": "heartbeat",
            "failover_when_quorum_exists": True,
            # The leader decides: with two nodes a second opinion cannot be had when one of them is gone.
            "failover_require_consensus": False,
            # Two members: one of two is a quorum, or the death of either would take the virtual IP away.
            "enable_consensus_with_half_votes": len(members) % 2 == 0,
            # One that was stopped does not count: of three the last one left still takes the address. One that crashed
            # or is cut off does.
            **({"wd_remove_shutdown_nodes": True} if len(members) > 2 else {}),
            # No shell runs these commands, and 3.2 cuts words and whole ones off: hence a script of the lab's own.
            # pgpool's service may change addresses itself: sudo takes an emulated node most of a second a command.
            "if_cmd_path": programs,
            "ifconfig_path": programs,
            # Where no command runs before it, the address is taken from whoever has it.
            "if_up_cmd": f"{virtual_ip} {'up' if knows(traits.version, 'wd_escalation_command') else 'take'}",
            "if_down_cmd": f"{virtual_ip} down",
            "arping_path": programs,
            "arping_cmd": f"{virtual_ip} announce",
            # trusted_servers stays unset: before 3.2.11 the loop over them can hang.
            "ping_path": "/bin",
            "wd_escalation_command": layout.ESCALATION,
            "wd_de_escalation_command": layout.DEESCALATION,
            # A pgpool whose link goes down ends (watchdog.c, watchdog_state_machine_nw_error). It would detach all
            # backends otherwise, lead again when the link is back, and have its peers take that view over.
            "wd_monitoring_interfaces_list": "any",
            **{name: value for name, value in timings.items() if name.startswith("wd_")},
            **numbered(
                in_watchdog_order(members),
                {
                    "hostname": "{node}",
                    "wd_port": ports["watchdog"],
                    "pgpool_port": ports["pgpool"],
                    "heartbeat_hostname": "{node}",
                    "heartbeat_port": layout.HEARTBEAT_PORT,
                },
            ),
        },
        "watchdog of this node": {
            "wd_priority": wd_priority,
            **per_host(members, this, ports),
        },
        "lifecheck by query": {} if heartbeat else by_query(check_user, password),
    }
    groups = {concern: only_known(traits.version, group) for concern, group in groups.items()}
    given = {name for group in groups.values() for name in group}
    for group in groups.values():
        group.update({name: value for name, value in overrides.items() if name in group})
    groups["further parameters"] = {name: value for name, value in overrides.items() if name not in given}
    return groups if this in nodes else {concern: of_a_witness(group) for concern, group in groups.items()}


def of_a_witness(group: Mapping[str, Value]) -> dict[str, Value]:
    """A group of parameters as a witness has them, those of a single backend (`health_check_period0`) included."""
    return {name: OF_A_WITNESS.get(name.rstrip(digits), value) for name, value in group.items()}


def per_host(members: Sequence[str], this: str, ports: Mapping[str, int]) -> dict[str, Value]:
    """How a pgpool was told of itself and its peers until 4.1: a configuration of its own on every node."""
    peers = [member for member in in_watchdog_order(members) if member != this]
    return {
        "wd_hostname": this,
        "wd_port": ports["watchdog"],
        "wd_heartbeat_port": layout.HEARTBEAT_PORT,
        **numbered(
            peers,
            {
                "other_pgpool_hostname": "{node}",
                "other_pgpool_port": ports["pgpool"],
                "other_wd_port": ports["watchdog"],
                "heartbeat_destination": "{node}",
                "heartbeat_destination_port": layout.HEARTBEAT_PORT,
            },
        ),
    }


def by_query(user: str, password: str) -> dict[str, Value]:
    """pgpool 3.2 watches its peers as their client: a query in template1 as the recovery user (wd_lifecheck.c)."""
    return {"wd_lifecheck_query": "SELECT 1", "recovery_user": user, "recovery_password": password}


def in_watchdog_order(members: Sequence[str]) -> list[str]:
    """The members as the watchdog numbers them, which is the order in which each tells the others: the last node first.

    A member that hears that the leader is gone stands for leader a second later. Until then it answers no other's
    request, and who has sent one waits five seconds for the answer (watchdog.c, watchdog_state_machine_initializing(),
    MAX_SECS_WAIT_FOR_REPLY_FROM_NODE). So the one with the highest wd_priority, the first node, has to stand last, when
    all others can answer.
    """
    return list(reversed(members))


def numbered(nodes: Sequence[str], values: Mapping[str, Value]) -> dict[str, Value]:
    """Parameters that exist once a node: `{node}` in a value stands for its name, the index ends the parameter's."""
    return {
        f"{name}{index}": value.format(node=node) if isinstance(value, str) else value
        for index, node in enumerate(nodes)
        for name, value in values.items()
    }


def literal(value: Value) -> str:
    """A value as pgpool.conf writes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("'", "\\'") + "'"
