#!/bin/bash
# Is the service alive? Exit code 0 or 1, for Docker's HEALTHCHECK.
# Docker starts this as the container's first user, which may be root: the same change of user as in entrypoint.
# bash's own /dev/tcp, since a start of Node each half minute would cost more than the probe.
if [[ $(id -u) == 0 ]]; then
  exec setpriv --reuid=datasette --regid=datasette --init-groups --inh-caps=-all --no-new-privs -- "$0"
fi
# The image's tools (`stripe-emulator`, `tdog`, …) have nothing that could be asked.
grep -qsz '^datasette-stripe$' /proc/1/cmdline || exit 0
host=${HOST:-127.0.0.1}
[[ $host == 0.0.0.0 || $host == :: ]] && host=127.0.0.1
exec 2> /dev/null
exec 3<> "/dev/tcp/$host/${PORT:-3000}" || exit 1
printf 'GET /tdog/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 4 _ status _ <&3
[[ $status == 200 ]]
