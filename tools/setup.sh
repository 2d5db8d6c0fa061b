#!/usr/bin/env bash
# Installs and builds what is missing: npm packages, the TypeScript build, a Python venv with Datasette. Prints only what it
# does, to stderr; with nothing to do it is silent and takes well under a second. Exit code 2: the machine lacks something.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT

die() {
  echo "$1" >&2
  exit 2
}

# step TEXT COMMAND…: says what it does; the command's output is shown only when it fails.
step() {
  echo "$1 …" >&2
  shift
  if ! "$@" > "$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
}

check_node() {
  command -v node > /dev/null || die 'Node.js is not installed; install Node.js 20 or newer.'
  node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' ||
    die "Node.js $(node --version) is too old; install Node.js 20 or newer."
  command -v npm > /dev/null || die 'npm is not installed; install it (it comes with Node.js).'
}

install_npm_packages() {
  node tools/installed.mjs ||
    step 'Installing the npm packages' npm ci --no-audit --no-fund --loglevel=error ||
    die 'npm ci failed (see above).'
}

build() {
  # The compiler itself sees what is out of date: 0.2 s when nothing is.
  PATH="$PWD/node_modules/.bin:$PATH" tsc -b packages/*/tsconfig.lib.json apps/*/tsconfig.lib.json > "$log" 2>&1 || {
    cat "$log" >&2
    die 'The TypeScript build failed (see above).'
  }
}

# The first Python that is new enough, or nothing.
find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
      echo "$candidate"
      return
    fi
  done
}

install_datasette() {
  local venv=apps/container/.venv requirements=apps/container/datasette/requirements.txt python wanted
  wanted=$(node -p 'require("crypto").createHash("sha256").update(require("fs").readFileSync(process.argv[1])).digest("hex")' "$requirements")
  if [ "$(cat "$venv/.requirements.sha256" 2> /dev/null)" = "$wanted" ] && "$venv/bin/python" -c '' 2> /dev/null; then
    return
  fi
  python=$(find_python)
  if [ -z "$python" ]; then
    command -v python3 > /dev/null || die 'Python is not installed; install Python 3.11 or newer.'
    die "$(python3 --version 2>&1) is too old; install Python 3.11 or newer."
  fi
  "$python" -c 'import venv, ensurepip' 2> /dev/null ||
    die "$("$python" --version) lacks the venv module; install it (Debian, Ubuntu: apt-get install python3-venv)."
  rm -rf "$venv"
  step 'Installing Datasette' "$python" -m venv "$venv" || die 'Making the Python venv failed (see above).'
  # Hashes pin every package; wheels only, so that no compiler is needed and no package's code runs at installation.
  "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --only-binary :all: --require-hashes \
    -r "$requirements" > "$log" 2>&1 || {
    cat "$log" >&2
    die 'Installing Datasette failed (see above).'
  }
  echo "$wanted" > "$venv/.requirements.sha256"
}

check_node
install_npm_packages
build
install_datasette
