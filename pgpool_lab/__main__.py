"""`python -m pgpool_lab`: the command line behind the `lab` launcher."""

from __future__ import annotations

import sys

from pgpool_lab.cli import app
from pgpool_lab.errors import LabError
from pgpool_lab.progress import fail

try:
    app(prog_name="./lab")
except LabError as error:
    sys.exit(fail(error))
except KeyboardInterrupt:
    print("interrupted; the same command goes on from here, ./lab down removes everything", file=sys.stderr)
    sys.exit(130)
