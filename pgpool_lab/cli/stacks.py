"""The stack that a command was given, named in whatever it tells its user to do next. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

DEFAULT = "two-node"
PLACES = ("up", "down", "status", "snapshot", "rewind", "bench")
"""Commands that take the stack as their argument; those of `WITH_OPTION` take it as an option."""
WITH_OPTION = (
    *("rejoin", "switchover", "ssh", "psql", "logs", "run", "soak", "measure"),
    *("fault heal", "fault inject", "scenario run"),
)
COMMAND = re.compile(rf"\./lab ({'|'.join((*PLACES, *WITH_OPTION))})(?![\w-])( STACK| --stack STACK)?")


def given(words: Sequence[str]) -> str:
    """The stack that a command line of `lab` names, by the option or by its place; else the one that is meant then."""
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        if word == "--":
            break
        if word == "--stack" or word.startswith("--stack="):
            return word.partition("=")[2] or following
    named = [word for word in words[1:] if not word.startswith("-")] if words and words[0] in PLACES else []
    return next(iter(named), DEFAULT)


def named(text: str, stack: str) -> str:
    """A text whose commands would act on another lab, as they must be given for this one."""
    if stack == DEFAULT:
        return text

    def whole(found: re.Match[str]) -> str:
        command, after = found.group(1), text[found.end() :]
        if re.match(rf" (--stack )?{re.escape(stack)}(?![\w-])", after):
            return found.group(0)
        return f"./lab {command} {stack}" if command in PLACES else f"./lab {command} --stack {stack}"

    return COMMAND.sub(whole, text)
