#!/usr/bin/env bash
# `npm test`: installs what is missing, then runs every suite that this machine can run. See tools/test.mjs.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
if ! bash tools/setup.sh; then
  echo
  echo '0 passed, 1 failed'
  exit 1
fi
# The pinned Node from node_modules, not the machine's own, which may be as old as 20.
exec env PATH="$PWD/node_modules/.bin:$PATH" node tools/test.mjs "$@"
