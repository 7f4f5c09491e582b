"""A clock that jumps."""

from __future__ import annotations

from dataclasses import dataclass

from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults.model import Fault, NotInEffect, Target

BEFORE = "/run/pgpool-lab-clock"
"""Time of day and uptime before the jump, in seconds; gone after a reboot, as the jump is."""

TOLERATED_SECONDS = 2.0

READING = 'echo "$(date +%s.%N) $(cut -d " " -f 1 /proc/uptime)"'


@dataclass(frozen=True)
class ClockJump(Fault):
    """The time of day jumps; what counts uptime does not notice."""

    seconds: int

    @property
    def aftermath_seconds(self) -> float:
        """Either way it has begun when so much time has passed.

        When a clock is set back, peers ignore heartbeats sent before the latest they have had (wd_heartbeat.c), until
        it is where it was, and take the node for lost after a deadtime of that. When it is set forward, the peers'
        heartbeats are too old for the node at its next life check (wd_lifecheck.c, wd_check_heartbeat).
        """
        return abs(self.seconds)

    def inject(self, control: Control, target: Target) -> Moment:
        moment = control.act(target.node, jump_script(self.seconds))
        before, now = control.shell(target.node, f"cat {BEFORE}\n{READING}").splitlines()
        jumped = jump_between(before, now)
        if abs(jumped - self.seconds) > TOLERATED_SECONDS:
            raise NotInEffect(
                f"{self.name}: the clock of {target.node.name} jumped by {jumped:.1f} s", "./lab fault heal"
            )
        return moment

    def heal(self, control: Control, target: Target) -> None:
        control.shell(target.node, mend_script())


def jump_script(seconds: int) -> str:
    """Note where the clock was, then set it. A noted jump is not noted again: healing goes back to the first."""
    return f'[ -e {BEFORE} ] || {READING} >{BEFORE}\ndate -s "{seconds:+d} seconds" >/dev/null'


def mend_script() -> str:
    """Set the clock to what it would be without the jump, by the uptime that passed."""
    elapsed = f'awk -v up="$(cut -d " " -f 1 /proc/uptime)" \'{{ printf "%.3f", $1 + up - $2 }}\' {BEFORE}'
    return f'if [ -e {BEFORE} ]; then date -s "@$({elapsed})" >/dev/null; rm {BEFORE}; fi'


def jump_between(before: str, now: str) -> float:
    """Seconds by which the time of day moved further than the uptime; each reading is `time uptime`."""
    (time_before, up_before), (time_now, up_now) = (map(float, reading.split()) for reading in (before, now))
    return (time_now - time_before) - (up_now - up_before)
