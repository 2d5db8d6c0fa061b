#!/usr/bin/env bash
# Makes the image debian:trixie-slim out of Debian's own packages, for machines that reach no image registry.
# Usage: base-image.sh CACHE_DIR. Does nothing when the engine has the image or can pull it.
set -euo pipefail

readonly image=debian:trixie-slim
readonly cache=$1
readonly tarball="$cache/trixie-slim.tar"

if docker image inspect "$image" > /dev/null 2>&1; then
  echo "base image: $image is there"
  exit 0
fi
if timeout 60 docker pull --quiet "$image" > /dev/null 2>&1; then
  echo "base image: pulled $image"
  exit 0
fi

if [[ ! -s $tarball ]]; then
  echo "base image: no registry answers, so debootstrap makes $image"
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/rootfs.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  debootstrap --variant=minbase --keyring="$keyring" trixie "$work" > "$cache/debootstrap.log" 2>&1 || {
    tail -n 20 "$cache/debootstrap.log"
    echo 'base image: debootstrap failed, see above' >&2
    exit 1
  }
  # A network that inspects TLS has certificate authorities of its own. `apt-get install ca-certificates`
  # in the Dockerfile picks them up from here; where there are none, nothing is copied.
  mkdir -p "$work/usr/local/share/ca-certificates"
  find /usr/local/share/ca-certificates -maxdepth 1 -name '*.crt' \
    -exec cp {} "$work/usr/local/share/ca-certificates/" \;
  # What the official slim image leaves out too, and tells dpkg not to bring back.
  cat > "$work/etc/dpkg/dpkg.cfg.d/docker" << 'DPKG'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/info/*
path-exclude /usr/share/groff/*
path-exclude /usr/share/lintian/*
DPKG
  echo 'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";' > "$work/etc/apt/apt.conf.d/docker-clean"
  rm -rf "$work"/var/lib/apt/lists/* "$work"/var/cache/apt/*.bin "$work"/var/cache/apt/archives/*.deb \
    "$work"/usr/share/man/* "$work"/usr/share/locale/* "$work"/usr/share/info/* "$work"/var/log/*.log
  find "$work/usr/share/doc" -type f ! -name copyright -delete
  find "$work/usr/share/doc" -type d -empty -delete
  # No sources of the official image's security suite means packages from the release only: the same
  # suites as in the official image are named here.
  mirror=$(awk '$1 == "deb" { print $2; exit }' "$work/etc/apt/sources.list")
  rm -f "$work/etc/apt/sources.list"
  cat > "$work/etc/apt/sources.list.d/debian.sources" << APT
Types: deb
URIs: $mirror
Suites: trixie trixie-updates
Components: main
Signed-By: $keyring

Types: deb
URIs: $mirror-security
Suites: trixie-security
Components: main
Signed-By: $keyring
APT
  # Written under another name first: a run that is cut off leaves no half tarball behind.
  tar --one-file-system -C "$work" -cf "$tarball.part" .
  mv "$tarball.part" "$tarball"
fi

docker import --change 'CMD ["bash"]' "$tarball" "$image" > /dev/null
echo "base image: $image of $(stat -c %s "$tarball" | numfmt --to=iec)"
