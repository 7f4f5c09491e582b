"""Which parameters of pgpool a user may set, and where else the others are decided.

Timings, limits, balancing, caching and logging are the user's; what the lab's parts find each other by is not.
"""

from __future__ import annotations

import difflib

from pgpool_lab.versions.numbers import parse
from pgpool_lab.versions.pgpool_parameters import general, history, known, knows

OWNED: tuple[tuple[str, str], ...] = (
    (
        "port pgpool_portN other_pgpool_portN",
        "set pgpool.port",
    ),
    (
        "pcp_port",
        "set pgpool.pcp_port",
    ),
    (
        "wd_port wd_portN other_wd_portN",
        "set pgpool.wd_port",
    ),
    (
        "backend_portN",
        "set postgresql.port",
    ),
    (
        "delegate_IP delegate_ip",
        "set network.vip",
    ),
    (
        "backend_hostnameN backend_application_nameN hostnameN wd_hostname other_pgpool_hostnameN heartbeat_hostnameN "
        "heartbeat_destinationN wd_heartbeat_port heartbeat_portN heartbeat_destination_portN heartbeat_deviceN",
        "it follows from nodes",
    ),
    (
        "enable_pool_hba pool_passwd allow_clear_text_frontend_auth",
        "set auth",
    ),
    (
        "health_check_user health_check_userN health_check_password health_check_passwordN health_check_database "
        "health_check_databaseN sr_check_user sr_check_password sr_check_database wd_lifecheck_user "
        "wd_lifecheck_password wd_lifecheck_dbname recovery_user recovery_password wd_authkey",
        "the lab makes its own users and passwords",
    ),
    (
        "failover_command failback_command follow_primary_command follow_master_command wd_escalation_command "
        "wd_de_escalation_command recovery_1st_stage_command recovery_2nd_stage_command",
        "the lab's own scripts decide who is primary",
    ),
    (
        "if_cmd_path ifconfig_path if_up_cmd if_down_cmd arping_path arping_cmd ping_path",
        "the lab's own script moves the virtual IP",
    ),
    (
        "backend_data_directoryN backend_socket_dir socket_dir unix_socket_directories pcp_socket_dir "
        "wd_ipc_socket_dir pid_file_name logdir log_destination logging_collector log_directory log_filename",
        "the lab's services and logs lie where the lab put them",
    ),
    (
        "listen_addresses pcp_listen_addresses",
        "the nodes and their clients reach pgpool on every address",
    ),
    (
        "backend_clustering_mode master_slave_mode master_slave_sub_mode replication_mode backend_flagN use_watchdog "
        "wd_priority",
        "the lab is a watchdog cluster over streaming replication, led by the first node",
    ),
)
"""Parameters that the lab sets itself, in the spelling of every release, and why or where."""

REASONS = {name: reason for names, reason in OWNED for name in names.split()}


def problem(name: str, version: str) -> str | None:
    """Why a user may not set this parameter of a pgpool release; None: it may be set."""
    reason = REASONS.get(name) or REASONS.get(general(name))
    if reason is not None:
        return f"{name}: the lab sets it; {reason}"
    if knows(parse(version), name):
        return None
    close = difflib.get_close_matches(general(name), known(parse(version)), n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return f"{name}: pgpool {version} has no such parameter ({history(name)}){meant}"
