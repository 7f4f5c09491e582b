"""`python -m pgpool_lab`: the command line behind the `lab` launcher."""

from __future__ import annotations

import os
import sys

from pgpool_lab.cli import app
from pgpool_lab.cli.stacks import given, named
from pgpool_lab.errors import LabError
from pgpool_lab.progress import end_when_told, fail
from pgpool_lab.settings.load import fix_tarball

INTERRUPTED = 130

end_when_told()
fix_tarball(os.environ)
try:
    app(prog_name="./lab")
except LabError as error:
    stack = given(sys.argv[1:])
    sys.exit(fail(LabError(named(error.problem, stack), named(error.remedy, stack))))
except (KeyboardInterrupt, SystemExit) as ended:
    # typer makes the second of the first.
    if isinstance(ended, SystemExit) and ended.code != INTERRUPTED:
        raise
    said = "interrupted; the same command goes on from here, ./lab down removes everything"
    print(named(said, given(sys.argv[1:])), file=sys.stderr)
    sys.exit(INTERRUPTED)
