#!/usr/bin/env bash
# Builds one container image from Debian and PyPI packages alone, as an OCI layout.
#
#   build.sh RECIPE OUT     RECIPE: a *.recipe.sh beside this file; OUT: the folder to make
#
# A recipe sets IMAGE (the name production uses), PACKAGES (Debian), RUN_AS (uid:gid),
# and may define fill ROOT (put more into the tree), IMAGE_ENV and IMAGE_PATH. The same
# recipe over the same packages gives the same bytes: no clock, sorted names, no caches.
# Needs root and the Debian packages mmdebstrap, umoci.
set -euo pipefail
HERE=$(dirname "$(readlink -f "$0")")
recipe=$(readlink -f "$1") out=$2
export SOURCE_DATE_EPOCH=1700000000 LC_ALL=C
CREATED=2023-11-14T22:13:20Z
SUITE=bookworm IMAGE='' PACKAGES='' RUN_AS=65534:65534 IMAGE_ENV=() IMAGE_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
fill() { :; }
# shellcheck source=/dev/null
. "$recipe"

work=$(mktemp -d "${TMPDIR:-/tmp}/ai-backend-image.XXXXXX")
trap 'umount -l "$work/root/proc" 2>/dev/null || true; rm -rf "$work"' EXIT
root=$work/root

# Runs a command inside the tree, with this machine's package settings (name servers,
# certificates, pip's environment) lent to it for that time only.
inside() {
  mkdir -p "$root/tmp/lent"
  [ -e "$root/tmp/lent/resolv.conf" ] || cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  cp -rL /etc/ssl/certs/ca-certificates.crt "$root/tmp/lent/ca.crt"
  mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
  env SSL_CERT_FILE=/tmp/lent/ca.crt PIP_CERT=/tmp/lent/ca.crt REQUESTS_CA_BUNDLE=/tmp/lent/ca.crt SSL_CERT_DIR= \
    PIP_FIND_LINKS= PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp/lent chroot "$root" "$@"
}

mmdebstrap --quiet --mode=root --variant=essential --include="$PACKAGES" \
  --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  "$SUITE" "$root"
fill "$root"
umount -l "$root/proc" 2>/dev/null || true
rm -rf "$root"/tmp/* "$root"/var/{cache,log,lib/apt}/* "$root"/{boot,media,srv,home}/* "$root/etc/resolv.conf" "$root/etc/machine-id" "$root"/dev/*

tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --numeric-owner --xattrs --xattrs-include='*' \
  --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -C "$root" -cf "$work/layer.tar" .
rm -rf "$out"; mkdir -p "$(dirname "$out")"
umoci init --layout "$work/oci"
umoci new --image "$work/oci:image"
umoci raw add-layer --image "$work/oci:image" --history.created "$CREATED" --history.created_by "$(basename "$recipe")" "$work/layer.tar"
config=(--config.env "PATH=$IMAGE_PATH" --config.user "$RUN_AS")
for e in "${IMAGE_ENV[@]}"; do config+=(--config.env "$e"); done
umoci config --image "$work/oci:image" --no-history --created "$CREATED" "${config[@]}"
umoci gc --layout "$work/oci"
mv "$work/oci" "$out"
