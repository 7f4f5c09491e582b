#!/usr/bin/env bash
# A Python that the agent runs on, for a distribution whose own is too old. Needs: MIRROR, PYTHON_ARCHIVE, INTERPRETER.
set -euo pipefail
if [ ! -x "$INTERPRETER" ]; then
    curl --fail --silent --show-error --max-time 600 "$MIRROR$PYTHON_ARCHIVE" | tar -xz -C /usr/local
fi
"$INTERPRETER" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "image.mirror: $PYTHON_ARCHIVE must hold python/bin/python3 of Python 3.10 or later that runs here" >&2
    exit 1
}
