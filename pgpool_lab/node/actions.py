"""What a node does to its own PostgreSQL: initialise, start, follow, clone, rewind, promote, stop."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from . import dialect, facts, locks, settings
from .configuration import (
    OWN_HOST,
    SECRETS,
    Config,
    GaveWay,
    StepFailed,
    as_service,
    log,
    node,
    psql,
    run,
    service_active,
)
from .passwords import stored
from .role import make_primary, make_standby, standby_file, write_replication_conf

PROMOTE_SECONDS = 60
START_SECONDS = 300
"""A stop with its checkpoint and a start with crash recovery, emulated and starved."""
STREAM_SECONDS = START_SECONDS + 120
"""How long a started standby may take until it streams: its own recovery, and its primary's start at the same time."""
STILL_SECONDS = 3
"""A standby that has replayed nothing for so long has replayed what it has: little is left when it takes logins."""
RELOAD_SECONDS = 30
RECONNECT_SECONDS = 12
"""A standby tries again every 5 s unless told otherwise (wal_retrieve_retry_interval): earlier nothing is known."""


def initialise(config: Config) -> None:
    """A new cluster on this node, with the lab's users; no password appears in an argument or a log.

    All of it is made beside the data directory and then renamed: one that was interrupted is no data.
    """
    postgres = config["postgresql"]
    directory = Path(postgres["data_directory"])
    new = directory.with_name("data.new")
    secrets: dict[str, str] = json.loads(SECRETS.read_text())
    refuse_if_present(directory)
    log("initialising a new cluster")
    prepare_base(directory)
    with tempfile.NamedTemporaryFile("w", dir="/run", prefix="pgpool-lab-", suffix=".password") as password:
        password.write(secrets["superuser"])
        password.flush()
        shutil.chown(password.name, "postgres")
        command = [f"{postgres['bin']}/initdb", "-D", str(new), "-U", config["users"]["superuser"]]
        method = "scram-sha-256" if dialect.of(config)["scram"] else "md5"
        # -N: do not sync, which has two long names.
        command += ["--pwfile", password.name, "-A", method, "--data-checksums", "-N"]
        command += ["--encoding", "UTF8", "--locale", config["locale"]]
        # A named zone spares initdb the comparison of every zone that there is with the clock's.
        run(as_service(command), TZ="UTC")
    single = [f"{postgres['bin']}/postgres", "--single", "-D", str(new), "-c", "exit_on_error=true"]
    # A statement that fails is not repeated in the log: it holds what a password is checked by.
    single += ["-c", "log_min_error_statement=panic", "postgres"]
    run(as_service(single), stdin=users_sql(config, secrets))
    run(["sync", "-f", str(new)])
    put_in_place(new, directory)
    start_primary(config)


def users_sql(config: Config, secrets: Mapping[str, str]) -> str:
    """The lab's users, a statement a line, as single-user mode reads them (manual, postgres, "Single-User Mode")."""
    users, method = config["users"], config["password_encryption"]
    password = {part: stored(method, user, secrets[part]) for part, user in users.items()}
    statements = [
        f"ALTER ROLE {users['superuser']} PASSWORD '{password['superuser']}'",
        f"CREATE ROLE {users['replication']} LOGIN REPLICATION PASSWORD '{password['replication']}'",
        f"CREATE ROLE {users['check']} LOGIN PASSWORD '{password['check']}'",
    ]
    if role := dialect.of(config)["checking_role"]:
        statements.append(f"GRANT {role} TO {users['check']}")
    return "".join(f"{statement};\n" for statement in statements)


def start_primary(config: Config) -> None:
    """Start this node as primary on the timeline it was primary on. A standby is promoted instead, see there."""
    log("starting as primary")
    make_primary(config, Path(config["postgresql"]["data_directory"]))
    write_replication_conf(config, None)
    start(config)


def promote(config: Config) -> None:
    """Promote this node's standby; a stopped one is started as what it is, following nobody.

    Started as a primary it would go on writing on its primary's timeline, and two nodes with different rows
    on one timeline look alike to pg_rewind and to streaming replication.
    """
    log("promoting")
    directory = Path(config["postgresql"]["data_directory"])
    if not service_active(config["postgresql"]["service"]):
        start_alone(config)
    if not facts.asked(config)["in_recovery"]:
        return
    if dialect.of(config)["promotes_by_sql"]:
        psql(config, OWN_HOST, f"SELECT pg_promote(true, {PROMOTE_SECONDS})", seconds=PROMOTE_SECONDS + 5)
    else:
        run(as_service([f"{config['postgresql']['bin']}/pg_ctl", "promote", "-D", str(directory)]))
        wait_until_promoted(config)
    if facts.asked(config)["in_recovery"]:
        raise StepFailed(f"the standby was not promoted within {PROMOTE_SECONDS} s")


def start_standby(config: Config) -> None:
    """Start a stopped standby as what it is, following nobody; returns when it has replayed all WAL that it has."""
    log("starting as a standby of nobody")
    start_alone(config)
    deadline = time.monotonic() + START_SECONDS
    position, since = facts.asked(config)["lsn"], time.monotonic()
    while time.monotonic() - since < STILL_SECONDS:
        time.sleep(0.3)
        if (now := facts.asked(config)["lsn"]) != position:
            position, since = now, time.monotonic()
        if time.monotonic() > deadline:
            raise StepFailed(f"it has replayed up to {position} and goes on after {START_SECONDS} s; repeat later")


def start_alone(config: Config) -> None:
    """Start a stopped standby that follows nobody."""
    write_replication_conf(config, None)
    make_standby(config, Path(config["postgresql"]["data_directory"]), None)
    start(config)


def wait_until_promoted(config: Config) -> None:
    """`pg_ctl promote` only asks for it: wait, but not for ever."""
    deadline = time.monotonic() + PROMOTE_SECONDS
    while facts.asked(config)["in_recovery"] and time.monotonic() < deadline:
        time.sleep(0.3)


def follow(config: Config, primary: str) -> None:
    """Become (or stay) a standby of `primary` with the data that is here; returns when it streams."""
    log(f"following {primary}")
    service = config["postgresql"]["service"]
    running = service_active(service)
    refuse_if_primary(config)
    changed = write_replication_conf(config, primary)
    if running and changed and dialect.of(config)["reloads_primary"]:
        # A standby has the file that makes it one. Made again just after a failover promoted this node, it would stay:
        # the fence spares whoever has it, and the next start is a standby's.
        run(["systemctl", "reload", service])
    else:
        directory = Path(config["postgresql"]["data_directory"])
        make_standby(config, directory, primary)
        if running:
            try:
                refuse_if_primary(config)
            except StepFailed:
                # A failover promoted it after it was asked: the next start is not to be a standby's.
                standby_file(config, directory).unlink(missing_ok=True)
                raise
            restart(config)
        else:
            start(config)
    wait_until_streaming(config, primary)


def follow_or_clone(config: Config, primary: str) -> None:
    """Follow with the data that is here, or, when that fails, with a base backup; the old data is set aside."""
    refuse_if_primary(config)
    try:
        follow(config, primary)
    except GaveWay:
        raise
    except StepFailed as failure:
        log(f"following failed: {failure}")
        set_aside(config, primary)
        clone(config, primary)


def set_aside(config: Config, primary: str) -> None:
    """Stop, and keep the data as data.diverged-TIME; only the latest is kept, the volume is small.

    Nothing is moved while `primary` can't be asked for a copy, nor when a failover has promoted this node meanwhile.
    """
    refuse_if_primary(config)
    source_state(config, node(config, primary))
    stop(config)
    directory = Path(config["postgresql"]["data_directory"])
    aside = directory.with_name(f"data.diverged-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}")
    for older in directory.parent.glob("data.diverged-*"):
        shutil.rmtree(older)
    directory.rename(aside)
    facts.rewinding(directory).unlink(missing_ok=True)
    log(f"the old data is kept in {aside}")


def clone(config: Config, primary: str) -> None:
    """Take a base backup of `primary`, beside where it will be, then follow. Data that is here is never replaced."""
    log(f"taking a base backup of {primary}")
    postgres = config["postgresql"]
    directory = Path(postgres["data_directory"])
    new = directory.with_name("data.new")
    refuse_if_present(directory)
    source = node(config, primary)
    before = source_state(config, source)
    prepare_base(directory)
    stop(config)
    command = [
        f"{postgres['client_bin']}/pg_basebackup",
        "-w",
        "-h",
        source["ip"],
        "-p",
        str(postgres["port"]),
    ]
    command += [
        "-U",
        config["users"]["replication"],
        "-D",
        str(new),
        *dialect.of(config)["basebackup_options"],
    ]
    run(as_service(command))
    # Before it gets its name: pg_control is the primary's, so without this file the copy would pass for a primary.
    make_standby(config, new, primary)
    run(["sync", "-f", str(new)])
    if source_state(config, source) != before:
        raise StepFailed(f"{primary} changed its role or timeline during the base backup")
    put_in_place(new, directory)
    follow(config, primary)


def rewind(config: Config, primary: str) -> None:
    """Give up what this node has and `primary` has not: pg_rewind, or a base backup with the old data set aside.

    pg_rewind takes two nodes on the same timeline for equal and does nothing ("no rewind required"): they need a copy.
    """
    postgres = config["postgresql"]
    directory = Path(postgres["data_directory"])
    source = node(config, primary)
    refuse_if_primary(config)
    log(f"rewinding to {primary}")
    before = source_state(config, source)
    # First: where it fails this node stays what it is.
    psql(config, source["ip"], "CHECKPOINT", seconds=120)
    stop(config)
    server = f"host={source['ip']} port={postgres['port']} user={config['users']['superuser']} dbname=postgres"
    program = Path(postgres["bin"], "pg_rewind")
    options = dialect.of(config)["rewind_options"]
    command = [str(program), "-D", str(directory), "--source-server", server]
    command += [f"--config-file={postgres['config_file']}" if word == "--config-file" else word for word in options]
    try:
        if not program.is_file():
            raise StepFailed("this PostgreSQL has no pg_rewind")
        if facts.controlled(config, directory)["timeline"] == int(before.split()[1], 16):
            raise StepFailed("both are on the same timeline, which pg_rewind takes for equal")
        mark = facts.rewinding(directory)
        mark.touch()
        run(["sync", "-f", str(mark)])
        # The crash recovery that pg_rewind starts with does not run as a standby.
        make_primary(config, directory)
        if not dialect.of(config)["rewind_recovers"]:
            recover(config, directory)
        run(as_service(command))
        make_standby(config, directory, primary)
        run(["sync", "-f", str(directory)])
        if source_state(config, source) != before:
            raise StepFailed(f"{primary} changed its role or timeline meanwhile")
        mark.unlink()
        follow(config, primary)
    except GaveWay:
        raise
    except StepFailed as failure:
        log(f"rewinding failed: {failure}")
        set_aside(config, primary)
        clone(config, primary)


def recover(config: Config, directory: Path) -> None:
    """Crash recovery, and a clean stop after it: pg_rewind asks for one, and until 12 it doesn't see to it itself."""
    postgres = config["postgresql"]
    single = [f"{postgres['bin']}/postgres", "--single", "-D", str(directory)]
    run(as_service([*single, "-c", f"config_file={postgres['config_file']}", "postgres"]), stdin="")


def stop(config: Config) -> None:
    """Stop PostgreSQL cleanly, so that the standbys receive all of its WAL; who fences it waits meanwhile."""
    with locks.STOP.open("w") as lock:
        locks.take(lock)
        run(["systemctl", "stop", config["postgresql"]["service"]], seconds=120)


def start(config: Config) -> None:
    """Start the service; systemd says when PostgreSQL takes connections."""
    now = settings.written(config)
    run(["systemctl", "start", config["postgresql"]["service"]], seconds=START_SECONDS)
    settings.remember(now)


def restart(config: Config) -> None:
    """Stop the service cleanly and start it again as what it is."""
    now = settings.written(config)
    run(["systemctl", "restart", config["postgresql"]["service"]], seconds=START_SECONDS)
    settings.remember(now)


def reload(config: Config, primary: str | None) -> list[settings.Pending]:
    """Have the running server read its files again, with what follows from its role (`primary`: whom it follows).

    Gives what only a restart will change. Raises StepFailed when a file has an error, which PostgreSQL would skip.
    """
    if facts.asked(config)["in_recovery"] != (primary is not None):
        raise StepFailed("its role changed meanwhile")
    now = settings.written(config)
    write_replication_conf(config, primary)
    loaded = psql(config, OWN_HOST, settings.LOADED)
    run(["systemctl", "reload", config["postgresql"]["service"]])
    deadline = time.monotonic() + RELOAD_SECONDS
    while psql(config, OWN_HOST, settings.LOADED) == loaded and time.monotonic() < deadline:
        time.sleep(0.2)
    told = dialect.of(config)["tells_pending"]
    if told and (errors := psql(config, OWN_HOST, settings.ERRORS)):
        raise StepFailed(f"PostgreSQL does not accept its settings: {'; '.join(errors.splitlines())}")
    if psql(config, OWN_HOST, settings.LOADED) == loaded:
        raise StepFailed(f"PostgreSQL did not read its files again within {RELOAD_SECONDS} s; see postgresql.log")
    pending = settings.parse_pending(psql(config, OWN_HOST, settings.PENDING)) if told else [settings.UNTOLD]
    if not pending:
        settings.remember(now)
    return pending


def wait_until_streaming(config: Config, primary: str) -> None:
    """Poll this standby until it streams from `primary`. Raises StepFailed, early when it never will.

    Raises GaveWay when it is to be promoted: a primary that dies meanwhile is waited for in vain, and its successor may
    be this node.
    """
    started = time.monotonic()
    while True:
        if locks.is_held(locks.WANTED):
            raise GaveWay(f"this node is to be promoted: it waits for {primary} no longer")
        try:
            state = facts.asked(config)
        except StepFailed:
            state = {"in_recovery": None, "streaming_from": None, "lsn": None}
        if state["streaming_from"] == primary:
            return
        if state["in_recovery"] is False:
            raise StepFailed("it was promoted meanwhile")
        passed = time.monotonic() - started
        if passed > STREAM_SECONDS:
            raise StepFailed(
                f"it does not stream from {primary} after {STREAM_SECONDS} s; postgresql.log says why, and "
                f"./lab rejoin {config['name']} gives up what only it has"
            )
        if passed > RECONNECT_SECONDS and state["lsn"] and wal_is_gone(config, primary, state["lsn"]):
            raise StepFailed(
                f"{primary} no longer has the WAL from {state['lsn']} on; ./lab rejoin {config['name']} copies its data"
            )
        time.sleep(0.3)


def wal_is_gone(config: Config, primary: str, position: str) -> bool:
    """Whether the primary has removed the segment that holds `position`."""
    sql = dialect.holds_segment(dialect.of(config), position)
    try:
        return psql(config, node(config, primary)["ip"], sql) == "0"
    except StepFailed:
        return False


def source_state(config: Config, source: Config) -> str:
    """Role and timeline of another node."""
    recovery, _, segment = psql(config, source["ip"], dialect.role_and_segment(dialect.of(config))).partition("|")
    return f"{recovery} {segment[:8]}"


def refuse_if_primary(config: Config) -> None:
    """A running primary is never turned into a standby, whatever the asking node believed."""
    if not service_active(config["postgresql"]["service"]):
        return
    try:
        primary = not facts.asked(config)["in_recovery"]
    except StepFailed:
        return  # It hangs or is still starting: nobody works with it.
    if primary:
        raise StepFailed("this node is a running primary: stop it first")


def refuse_if_present(directory: Path) -> None:
    """Whatever the asking node believed: data is not overwritten."""
    if facts.data_state(directory) == "present":
        raise StepFailed(f"{directory} holds data, which is not overwritten")


def prepare_base(directory: Path) -> None:
    """The folder that holds the data directory, without what an interrupted attempt left there."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    shutil.chown(directory.parent, "postgres", "postgres")
    discard(directory.with_name("data.new"))


def put_in_place(new: Path, directory: Path) -> None:
    """Give data that is whole its name; what has that name is no data worth keeping."""
    discard(directory)
    new.rename(directory)
    facts.rewinding(directory).unlink(missing_ok=True)


def discard(directory: Path) -> None:
    """Remove a directory that holds no data worth keeping: a partial one, or one just replaced."""
    if directory.is_dir():
        shutil.rmtree(directory)
