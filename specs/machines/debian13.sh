#!/bin/sh
# Makes a root file system of Debian 13 in FOLDER: with cloud-init, for the tests that ask the
# released one what it thinks of our user-data; and with systemd, sshd and what the installer asks
# the package manager for, so that it boots as a machine of its own without a network
# (boot-machine.sh). Needs root, debootstrap and a mirror of Debian.
#
#   sudo specs/machines/debian13.sh target/debian13
set -eu
folder=${1:?usage: debian13.sh FOLDER}
# Counted up when what is in it changes.
made="$folder/.complete-2"
[ -e "$made" ] && exit 0
mkdir -p "$folder"
# Tests that want it at the same time wait for the one that makes it.
exec 9>"$folder.lock"
flock 9
[ -e "$made" ] && exit 0
# What an attempt that failed left mounted.
for place in proc sys; do
  if mountpoint -q "$folder/$place"; then umount "$folder/$place"; fi
done
rm -rf "$folder"
mkdir -p "$folder"
# cffi provides what only virtual packages ask for, which debootstrap does not resolve.
packages=cloud-init,python3-cffi-backend,systemd,systemd-sysv,dbus,libpam-systemd,openssh-server
packages=$packages,sudo,iproute2,nftables,unattended-upgrades,ca-certificates,curl,git,tmux
debootstrap --variant=minbase --include=$packages trixie "$folder" >"$folder.log" 2>&1 || {
  tail -n 20 "$folder.log" >&2
  exit 1
}
# As an image of a provider: keys are made on the machine. And nothing is asked of mirrors, which a
# machine without a network does not reach: what it needs is there.
rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/* \
  "$folder"/etc/ssh/ssh_host_* "$folder"/etc/apt/sources.list "$folder"/etc/resolv.conf
: >"$folder/etc/machine-id"
: >"$made"
