#!/usr/bin/env bash
# How many single-event requests a second `serve` answers on this machine, while its model changes.
#
#   examples/benches/serve_load.sh [SECONDS] [CONNECTIONS] [RELOADS]
#
# Trains the demo when target/serve_load does not hold it, serves it, and loads it with wrk
# (https://github.com/wg/wrk, one thread) on the loopback interface. During the run the live model
# goes back and forth between the newest two, RELOADS times. Prints requests a second, latencies,
# errors, reloads, and the CPU time of the service a request.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-10} connections=${2:-64} reloads=${3:-20}
work=target/serve_load
bin=${CARGO_TARGET_DIR:-target}/release/examples
command -v wrk >/dev/null || { echo "wrk is not installed" >&2; exit 1; }

cargo build --release -q --example train --example serve --example registry
[ -d "$work/demo/models" ] || "$bin/train" --output "$work/demo" >/dev/null
rm -rf "$work/registry"
mkdir -p "$work/registry/models"
cp -r "$work/demo/models/HI" "$work/registry/models/"
newest=$(find "$work/demo/events/HI" -name '*.zst' | sort | tail -1)
zstd -dcq "$newest" | head -1000 >"$work/events.jsonl"

"$bin/serve" --models "$work/registry" --listen 127.0.0.1:0 --poll-every 0.05 >"$work/address" 2>"$work/log" &
serve=$!
trap 'kill $serve 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  url=$(head -1 "$work/address") && [ -n "$url" ] && curl -sf "$url/readyz" >/dev/null && break
  sleep 0.1
done
ticks() { awk '{print $14 + $15}' "/proc/$serve/stat"; }

mapfile -t versions < <("$bin/registry" "$work/registry" list HI | awk '{print $2}' | sort -t- -k4n | tail -2)
before=$(ticks)
EVENTS=$work/events.jsonl wrk -t1 -c"$connections" -d"${seconds}s" -s examples/benches/serve_load.lua "$url" >"$work/wrk" &
load=$!
for ((change = 0; change < reloads; change++)); do
  sleep "$(awk "BEGIN { print 0.9 * $seconds / $reloads }")"
  "$bin/registry" "$work/registry" rollback HI "${versions[change % 2]}" >/dev/null
done
wait $load
sleep 0.5
after=$(ticks)
grep -E '^[a-z0-9_]+ [0-9.]+$' "$work/wrk"
curl -s "$url/metrics" | awk '/^serve_model_reloads_total/ { print "reloads", $2 }'
requests=$(awk '/requests in/ { print $1 }' "$work/wrk")
awk "BEGIN { printf \"service_cpu_us_per_request %.1f\\n\", ($after - $before) * 1e6 / $(getconf CLK_TCK) / $requests }"
kill -TERM $serve
wait $serve
