#!/usr/bin/env bash
# Waits until cloud-init has made a node of this machine, or fails with one message of what became of it.
# Given: node, seconds (bound), state (folder that tells how far the installation is), log, install (command).
set -euo pipefail
: "${node:?}" "${seconds:?}" "${state:?}" "${log:?}" "${install:?}"
fail() {
    mkdir -p "$state" && touch "$state/told"
    {
        echo "$node: $1; the end of $log on $node:"
        tail -n 20 "$log" 2>/dev/null || echo "(there is none; /var/log/cloud-init-output.log on $node tells more)"
    } >&2
    exit 1
}
if [ -e "$state/told" ]; then
    # An earlier update has ended with the failure: the cause may be mended now.
    rm -f "$state/told"
    timeout "$seconds" sh -c "$install" || true
fi
deadline=$(($(date +%s) + seconds))
shown=
until [ -e "$state/done" ]; do
    step=$(cat "$state/step" 2>/dev/null || true)
    [ ! -e "$state/failed" ] || fail "the installation by cloud-init has failed in $step"
    # Written when cloud-init's last stage has ended (its manual, "Boot stages"): the installation is part of that.
    [ ! -e /run/cloud-init/result.json ] || [ -e "$state/done" ] || [ -e "$state/failed" ] ||
        fail "cloud-init has ended without the installation"
    [ "$(date +%s)" -lt "$deadline" ] || fail "the installation is not done after $seconds s, in ${step:-its beginning}"
    # Shown while the update waits.
    [ "$step" = "$shown" ] || { echo "$node installs: $step" >&2; shown=$step; }
    sleep 2
done
