#!/bin/sh
# Makes a Debian 13 root file system with cloud-init in FOLDER, for the tests that ask the released
# cloud-init what it thinks of our user-data. Needs root, debootstrap and a mirror of Debian.
#
#   sudo specs/tests/debian13.sh target/debian13
set -eu
folder=${1:?usage: debian13.sh FOLDER}
[ -e "$folder/.complete" ] && exit 0
# What an attempt that failed left mounted.
for place in proc sys; do
  if mountpoint -q "$folder/$place"; then umount "$folder/$place"; fi
done
rm -rf "$folder"
mkdir -p "$folder"
# The second provides what only virtual packages ask for, which debootstrap does not resolve.
debootstrap --variant=minbase --include=cloud-init,python3-cffi-backend trixie "$folder" >"$folder.log" 2>&1 || {
  tail -n 20 "$folder.log" >&2
  exit 1
}
rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
: >"$folder/.complete"
