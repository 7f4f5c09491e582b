"""Runs on a node with a JSON list of files on standard input; a file is replaced only when it differs.

An argument names a service that is restarted, if it runs, when something has changed.

Each entry has `path`, `content`, `mode` (octal text) and `owner` (`user:group`).
"""

import json
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

MARK = Path("/run/lab-files-changed")
"""There until systemd and the services know of what has changed: what an interrupted run left, the next one ends."""

entries = json.load(sys.stdin)
interrupted = MARK.exists()
changed = []
for entry in entries:
    path = Path(entry["path"])
    user, group = entry["owner"].split(":")
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
        shutil.chown(path.parent, user, group)
    content = entry["content"].encode()
    differs = not path.is_file() or path.read_bytes() != content
    written = path.with_name(path.name + ".new") if differs else path
    if differs:
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        changed.append(str(path))
        MARK.touch()
    shutil.chown(written, user, group)
    written.chmod(int(entry["mode"], 8))
    # One that is the same stays: systemd goes by a unit's time of change.
    if differs:
        written.replace(path)
    if path.suffix == ".py":
        # Parsing takes longer than running on an emulated processor, and the service account can't write here.
        py_compile.compile(str(path), doraise=True)
# A template can't be asked about, those made from it can.
news = [entry["path"] for entry in entries] if interrupted else changed
units = [Path(name).name.replace("@.", "@*.") for name in news if name.startswith("/etc/systemd/system/")]
if units:
    # A unit that systemd has not loaded yet needs no reload, which takes seconds of an emulated processor.
    shown = subprocess.run(
        ["systemctl", "show", "--property=NeedDaemonReload", *units], capture_output=True, text=True, check=True
    )
    if "yes" in shown.stdout:
        subprocess.run(["systemctl", "daemon-reload"], check=True)
for service in sys.argv[1:]:
    if news:
        subprocess.run(["systemctl", "try-restart", service], check=True)
MARK.unlink(missing_ok=True)
print(json.dumps(changed))
