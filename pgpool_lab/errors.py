"""The one kind of error that is shown to a user without a traceback."""

from __future__ import annotations


class LabError(Exception):
    """Something the user can mend: what is wrong, and the next step to take."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem if not remedy else f"{problem}\n  → {remedy}")
        self.problem = problem
        self.remedy = remedy
