# shellcheck shell=bash
# Every account that takes part enters every account of every node, itself included. Needs $accounts and $nodes.
# One login after the other: all at once they starve emulated nodes until health checks time out. Each is one of its own:
# a connection that is there already would pass with keys that are no longer let in.
set -euo pipefail
: "${accounts:?}" "${nodes:?}"
failed=0
for from in $accounts; do
    for node in $nodes; do
        for to in $accounts; do
            if ! runuser -u "$from" -- ssh -n -o BatchMode=yes -o ConnectTimeout=20 "$to@$node" true; then
                echo "ssh without a password fails: $from -> $to@$node" >&2
                failed=1
            fi
        done
    done
done
exit "$failed"
