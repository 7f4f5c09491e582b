#!/usr/bin/env bash
# Makes a node of a machine that a stock image has booted: the steps that `variables` names, one after the other.
# Everything it needs lies beside it, on the seed. Run by cloud-init on the first boot, and by `pulumi up` again where
# it failed. What became of it is told by files in $STATE: `step` names the last one, then there is `done` or `failed`.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
set -a
# shellcheck source=/dev/null
. ./variables
set +a
install -d "$STATE"
exec 9>"$STATE/lock"
flock 9
[ ! -e "$STATE/done" ] || exit 0
rm -f "$STATE/failed"
trap '[ -e "$STATE/done" ] || touch "$STATE/failed"' EXIT
exec >>"$LOG" 2>&1
read -ra scripts <<<"$STEPS"
for step in "${scripts[@]}"; do
    echo "== $(date -u +%FT%TZ) $step"
    echo "$step" >"$STATE/step"
    # At random addresses every program would be translated anew whenever it starts, where the processor is emulated.
    setarch "$(uname -m)" -R bash "./$step"
done
echo "== $(date -u +%FT%TZ) done"
# A machine that is switched off now must not come back with the mark alone.
sync
touch "$STATE/done"
