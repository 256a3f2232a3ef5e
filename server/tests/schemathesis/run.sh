#!/usr/bin/env bash
# Asks a fresh server all that its OpenAPI document offers, rightly and wrongly, and holds every answer against the
# document: `run.sh BINARY`. Needs schemathesis 4 (`pip install schemathesis`); `ST` names its command where that is not
# in the path. Takes some minutes; the status is 0 where nothing was found.
set -euo pipefail
binary=$(realpath "${1:?usage: run.sh path/to/emberline [options of st run]}")
shift
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
"$binary" serve --listen 127.0.0.1:0 --data-dir "$folder/data" >"$folder/out" 2>"$folder/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
for _ in $(seq 300); do
    url=$(grep -o 'http://[^ ]*' "$folder/out" || true)
    [ -n "$url" ] && break
    kill -0 "$server" || { cat "$folder/log"; exit 1; }
    sleep 0.1
done
status=0
cd "$folder"
"${ST:-st}" --config-file "$here/schemathesis.toml" run "$url/api/v1/openapi.json" --url "$url" "$@" || status=$?
if grep -E 'ERROR|panicked' "$folder/log"; then
    echo "the server logged an error" >&2
    status=1
fi
exit "$status"
