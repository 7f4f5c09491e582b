"""pgpool.conf's parameters: the series in which each came and went.

Source: the lists of names that each release's own parser knows (pool_config.l until 3.5,
src/config/pool_config_variables.c since), compared release by release from 3.2.0 to 4.6.7.
N stands for the number that a parameter's name ends with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TypeVar

from pgpool_lab.versions.numbers import Version, parse

T = TypeVar("T")

CAME: dict[str, str] = {
    "3.2": """
        allow_inet_domain_socket arping_cmd arping_path authentication_timeout backend_data_directoryN
        backend_flagN backend_hostnameN backend_portN backend_socket_dir backend_weightN black_function_list
        black_memqcache_table_list check_temp_table child_life_time child_max_connections client_idle_limit
        client_idle_limit_in_recovery connection_cache connection_life_time debug_level delay_threshold
        delegate_IP enable_pool_hba enable_query_cache fail_over_on_backend_error failback_command
        failover_command failover_if_affected_tuples_mismatch follow_master_command health_check_max_retries
        health_check_password health_check_period health_check_retry_delay health_check_timeout
        health_check_user if_down_cmd if_up_cmd ifconfig_path ignore_leading_white_space insert_lock
        listen_addresses load_balance_mode lobj_lock_table log_connections log_destination log_hostname
        log_per_node_statement log_standby_delay log_statement logdir master_slave_mode master_slave_sub_mode
        max_pool memory_cache_enabled memqcache_auto_cache_invalidation memqcache_cache_block_size
        memqcache_expire memqcache_max_num_cache memqcache_maxcache memqcache_memcached_host
        memqcache_memcached_port memqcache_method memqcache_oiddir memqcache_total_size num_init_children
        other_pgpool_hostnameN other_pgpool_portN other_wd_portN parallel_mode pcp_port pcp_socket_dir
        pcp_timeout pgpool2_hostname pid_file_name ping_path pool_passwd port print_timestamp
        recovery_1st_stage_command recovery_2nd_stage_command recovery_password recovery_timeout recovery_user
        relcache_expire relcache_size replicate_select replication_mode replication_stop_on_mismatch
        reset_query_list socket_dir sr_check_password sr_check_period sr_check_user ssl ssl_ca_cert
        ssl_ca_cert_dir ssl_cert ssl_key syslog_facility syslog_ident system_db_dbname system_db_hostname
        system_db_password system_db_port system_db_schema system_db_user trusted_servers use_watchdog
        wd_hostname wd_interval wd_life_point wd_lifecheck_query wd_port white_function_list
        white_memqcache_table_list
    """,
    "3.3": """
        clear_memqcache_on_escalation heartbeat_destination_portN heartbeat_destinationN heartbeat_deviceN
        search_primary_node_timeout wd_authkey wd_escalation_command wd_heartbeat_deadtime
        wd_heartbeat_keepalive wd_heartbeat_port wd_lifecheck_dbname wd_lifecheck_method wd_lifecheck_password
        wd_lifecheck_user
    """,
    "3.4": """
        allow_sql_comments app_name_redirect_preference_list check_unlogged_table client_min_messages
        connect_timeout database_redirect_preference_list listen_backlog_multiplier log_error_verbosity
        log_line_prefix log_min_messages pcp_listen_addresses print_user ssl_ciphers ssl_prefer_server_ciphers
    """,
    "3.5": """
        health_check_database if_cmd_path serialize_accept sr_check_database wd_de_escalation_command
        wd_ipc_socket_dir wd_monitoring_interfaces_list wd_priority
    """,
    "3.7": """
        allow_multiple_failover_requests_from_node connect_timeoutN failover_require_consensus
        failover_when_quorum_exists health_check_databaseN health_check_max_retriesN health_check_passwordN
        health_check_periodN health_check_retry_delayN health_check_test health_check_timeoutN
        health_check_userN
    """,
    "4.0": """
        allow_clear_text_frontend_auth black_query_pattern_list detach_false_primary
        disable_load_balance_on_write failover_on_backend_error log_client_messages
    """,
    "4.1": """
        auto_failback auto_failback_interval backend_application_nameN enable_consensus_with_half_votes
        enable_shared_relcache notice_per_node_statement relcache_query_target reserved_connections
        ssl_dh_params_file ssl_ecdh_curve statement_level_load_balance
    """,
    "4.2": """
        backend_clustering_mode cache_safe_memqcache_table_list cache_unsafe_memqcache_table_list
        dml_adaptive_object_relationship_list follow_primary_command heartbeat_hostnameN heartbeat_portN
        hostnameN log_directory log_disconnections log_file_mode log_filename log_rotation_age log_rotation_size
        log_truncate_on_rotation logging_collector pgpool_portN primary_routing_query_pattern_list
        read_only_function_list ssl_crl_file ssl_passphrase_command wd_portN write_function_list
    """,
    "4.3": """
        failover_on_backend_shutdown prefer_lower_delay_standby wd_initial_node_showup_time
        wd_lost_node_removal_timeout wd_no_show_node_removal_timeout wd_remove_shutdown_nodes
    """,
    "4.4": """
        delay_threshold_by_time delegate_ip max_spare_children min_spare_children process_management_mode
        process_management_strategy trusted_server_command unix_socket_directories unix_socket_group
        unix_socket_permissions
    """,
    "4.5": """
        log_pcp_processes user_redirect_preference_list
    """,
    "4.6": """
        log_backend_messages
    """,
}
"""Parameters that each series added; 3.2 is where this table begins."""

WENT: dict[str, str] = {
    "3.4": """
        enable_query_cache
    """,
    "3.5": """
        backend_socket_dir ifconfig_path parallel_mode pcp_timeout pgpool2_hostname system_db_dbname
        system_db_hostname system_db_password system_db_port system_db_schema system_db_user
    """,
    "3.6": """
        allow_inet_domain_socket debug_level print_timestamp print_user
    """,
    "4.2": """
        black_function_list black_memqcache_table_list black_query_pattern_list follow_master_command
        heartbeat_destination_portN heartbeat_destinationN master_slave_mode master_slave_sub_mode
        other_pgpool_hostnameN other_pgpool_portN other_wd_portN wd_heartbeat_port wd_hostname wd_port
        white_function_list white_memqcache_table_list
    """,
    "4.4": """
        socket_dir wd_initial_node_showup_time
    """,
}
"""Parameters that each series no longer knows."""

LATE: dict[str, dict[str, int]] = {
    "health_check_test": {"3.7": 23, "4.0": 18, "4.1": 11, "4.2": 8, "4.3": 1},
    "notice_per_node_statement": {"4.1": 22, "4.2": 19, "4.3": 12, "4.4": 9},
    "pcp_socket_dir": {"3.5": 4},
    "ssl_ciphers": {"3.4": 23, "3.5": 20, "3.6": 16, "3.7": 9, "4.0": 4},
    "ssl_prefer_server_ciphers": {"3.4": 23, "3.5": 20, "3.6": 16, "3.7": 9, "4.0": 4},
    "wd_no_show_node_removal_timeout": {"4.3": 1},
}
"""Parameters that a series got only with a later release of it (its third number)."""

EARLY: dict[str, dict[str, int]] = {
    "ssl_ca_cert_dir": {"3.4": 23},
    "wd_initial_node_showup_time": {"4.3": 1},
}
"""Parameters that a series lost with a later release of it."""

SUPERSEDED: dict[str, str] = {
    "delegate_IP": "delegate_ip",
    "fail_over_on_backend_error": "failover_on_backend_error",
    "replication_mode": "backend_clustering_mode",
}
"""Old names that are still taken beside the new one."""


def series(version: Version) -> str:
    """The first two numbers: what a release's branch is called."""
    return ".".join(map(str, version[:2]))


@cache
def known(version: Version) -> frozenset[str]:
    """Names of all parameters that a release knows."""
    came = {name for first, names in CAME.items() if parse(first) <= version for name in names.split()}
    went = {name for first, names in WENT.items() if parse(first) <= version for name in names.split()}
    release = version[2] if len(version) > 2 else 0
    late = {name for name, first in LATE.items() if release < first.get(series(version), 0)}
    early = {name for name, first in EARLY.items() if series(version) in first and release >= first[series(version)]}
    return frozenset(came - went - late - early)


def general(name: str) -> str:
    """A parameter's name with N for the number that it ends with."""
    return re.sub(r"\d+$", "N", name)


def knows(version: Version, name: str) -> bool:
    """Whether a release knows a parameter; `backend_hostname0` is known as `backend_hostnameN`."""
    return name in known(version) or general(name) in known(version)


def only_known(version: Version, parameters: Mapping[str, T]) -> dict[str, T]:
    """What a release understands of `parameters`, which hold every form that a thing has had."""
    return {
        name: value
        for name, value in parameters.items()
        if knows(version, name) and SUPERSEDED.get(name) not in known(version)
    }


def history(name: str) -> str:
    """When a parameter was there, in words, for a message to whoever asked for it."""
    first = having(CAME, name)
    last = having(WENT, name)
    if first is None:
        return "no version has it"
    return f"came with {first}" + (f", gone since {last}" if last else "")


def having(table: Mapping[str, str], name: str) -> str | None:
    """The series whose list of names has a parameter."""
    names: Iterable[tuple[str, list[str]]] = ((first, text.split()) for first, text in table.items())
    return next((first for first, listed in names if name in listed or general(name) in listed), None)
