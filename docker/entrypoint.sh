#!/bin/sh
# Runs the container's command under tini and, where it was started as root, as the user `datasette`.
# tini comes after the change of user, so that PID 1 is not root either.
set -eu

# `docker run -e DATA_DIR=` means the default, too.
export DATA_DIR="${DATA_DIR:-/data}"

refuse() {
  echo "datasette-stripe: $1" >&2
  exit 2
}

# A folder that root made on the host, or a fresh volume, belongs to root. A link is handed over itself,
# never what it points to, and other mounts below are left alone.
hand_over() {
  mkdir -p "$1" && find "$1" -xdev ! -user datasette -exec chown -h datasette:datasette {} +
}

# Rights are given up for good: no program started through this can become root again.
as_datasette() {
  exec setpriv --reuid=datasette --regid=datasette --init-groups --inh-caps=-all --no-new-privs -- "$@"
}

if [ "$(id -u)" = 0 ]; then
  (as_datasette true) 2> /dev/null ||
    refuse 'root may not change its user here; give it the capabilities SETUID and SETGID, or run with --user'
  hand_over "$DATA_DIR" 2> /dev/null ||
    refuse "DATA_DIR: $DATA_DIR could not be handed to the user datasette (uid 1000); mount it writable, or run with --user and a folder of that user's"
  as_datasette tini -- "$@"
fi

writable() {
  mkdir -p "$1" 2> /dev/null && [ -w "$1" ]
}

if [ "$1" = datasette-stripe ] && ! writable "$DATA_DIR"; then
  refuse "DATA_DIR: $DATA_DIR is not writable for user $(id -u); on the host: chown $(id -u):$(id -g) the folder that is mounted there"
fi
exec tini -- "$@"
