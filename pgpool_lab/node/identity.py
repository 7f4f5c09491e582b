"""What a primary is, asked as a standby asks before it streams: by the replication protocol.

No login to its node and no start of the agent there, for which clients that come back would have to wait.
"""

from __future__ import annotations

from .configuration import PASSWORDS, Config, StepFailed, run
from .facts import parse_history
from .join import Answer, parse_lsn

SECONDS = 15
"""How long it may take on a starved emulated processor; psql alone took 3 s to start there."""


def identity(config: Config, primary: Config, timeline: int) -> Answer:
    """The entry `primary`, which says that it is one on `timeline`, with where its timelines began.

    PostgreSQL manual, "Streaming Replication Protocol", IDENTIFY_SYSTEM (four columns since 9.4) and
    TIMELINE_HISTORY. Raises StepFailed, also when it is on another timeline by now.
    """
    postgres = config["postgresql"]
    server = f"host={primary['ip']} port={postgres['port']} user={config['users']['replication']} replication=true"
    command = [f"{postgres['client_bin']}/psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", "-d", server]
    # Not as options: of several -c the last one counted before psql 9.6.
    asked = ["IDENTIFY_SYSTEM", *([f"TIMELINE_HISTORY {timeline}"] if timeline > 1 else [])]
    questions = "".join(f"{question};\n" for question in asked)
    text = run(command, seconds=SECONDS, stdin=questions, PGPASSFILE=PASSWORDS, PGCONNECT_TIMEOUT="5")
    answer = parse(primary["name"], text)
    if answer.timeline != timeline:
        raise StepFailed(f"{primary['name']} is on timeline {answer.timeline} by now, not on {timeline}")
    return answer


def parse(name: str, text: str) -> Answer:
    """A primary's answers: a row, then, unless it is on the first timeline, a history file's name and content."""
    row, _, rest = text.partition("\n")
    identifier, timeline, position, _ = row.split("|")
    history = parse_history(rest.partition("|")[2])
    return Answer(
        name=name,
        data="present",
        running=True,
        in_recovery=False,
        timeline=int(timeline),
        lsn=parse_lsn(position),
        system_identifier=identifier,
        history=tuple((ended, parse_lsn(at)) for ended, at in history),
    )
