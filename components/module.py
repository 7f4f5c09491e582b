"""Commands on this machine that are modules of the project."""

from __future__ import annotations

import shlex
import sys

from pgpool_lab.paths import PROJECT


def run_module(words: str) -> str:
    """A shell command that runs a module by the program's own interpreter: a plugin of the engine has another PATH.

    `words` are the module and its arguments, quoted for the shell.
    """
    return f"PYTHONPATH={shlex.quote(str(PROJECT))} {shlex.quote(sys.executable)} -m {words}"
