# shellcheck shell=bash
# Every account that takes part enters every account of every node, itself included. Needs $accounts and $nodes.
set -euo pipefail
: "${accounts:?}" "${nodes:?}"
pids=()
pairs=()
for from in $accounts; do
    for node in $nodes; do
        for to in $accounts; do
            runuser -u "$from" -- ssh -n -o BatchMode=yes -o ConnectTimeout=20 "$to@$node" true &
            pids+=("$!")
            pairs+=("$from -> $to@$node")
        done
    done
done
failed=0
for index in "${!pids[@]}"; do
    if ! wait "${pids[$index]}"; then
        echo "ssh without a password fails: ${pairs[$index]}" >&2
        failed=1
    fi
done
exit "$failed"
