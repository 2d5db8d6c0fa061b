#!/bin/sh
# Makes requirements.txt (and requirements-test.txt) from the .in files: every pin with the hashes of all its wheels, no index address.
# datasette-rure has wheels for x86-64 only; elsewhere plugins/regexp.py offers the same SQL functions over RE2.
set -eu
cd "$(dirname "$0")"
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3.11}" -m venv "$venv"
"$venv/bin/pip" install -q pip-tools==7.6.2
compile() {
  "$venv/bin/pip-compile" -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
    --strip-extras --allow-unsafe --no-header "$@"
}
compile requirements.in -o requirements.txt
x86='platform_machine == "x86_64" or platform_machine == "AMD64"'
other='platform_machine != "x86_64" and platform_machine != "AMD64"'
sed -i -E \
  -e "s/^((datasette-rure|rure|milksnake)==[^ ]+) /\1 ; $x86 /" \
  -e "s/^(google-re2==[^ ]+) /\1 ; $other /" requirements.txt
compile requirements-test.in -o requirements-test.txt
