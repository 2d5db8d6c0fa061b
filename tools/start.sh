#!/usr/bin/env bash
# `npm start`: installs and builds what is missing, then runs the whole system.
set -euo pipefail
directory=$(cd "$(dirname "$0")/.." && pwd)
"$directory/tools/setup.sh"
# The pinned Node from node_modules, not the machine's own, which may be as old as 20.
exec "$directory/node_modules/.bin/node" "$directory/apps/container/dist/main.js"
