#!/bin/sh
# Boots a machine: a real one as far as its own programs go, with systemd, cloud-init and sshd, in a
# container of systemd-nspawn over a root file system that debian13.sh made.
#
#   boot-machine.sh BASE MACHINE NAME
#
# BASE is not changed. MACHINE is the machine's own folder: `disk` holds what it wrote (gone means
# reinstalled), `disk/var/lib/cloud/seed/nocloud` its user-data, `ssh/ssh` is a socket behind which
# its sshd listens, as behind its port 22. It has no network but its own loopback. The machine lives
# as long as this process; a power cut is `kill -9` of its process group and then of the machine's
# first process, the one below systemd-nspawn. Needs root, on Linux with cgroup 2 in the kernel;
# changes no mount of the host.
set -eu
if [ "${4:-}" != inside ]; then
  exec unshare --mount -- "$0" "$1" "$2" "$3" inside
fi
base=$(realpath "$1") machine=$(realpath "$2") name=$3
mkdir -p "$machine/disk" "$machine/work" "$machine/root" "$machine/ssh"
mount --make-rprivate /
# systemd wants the one hierarchy of cgroup 2, whatever the host uses.
if ! [ -e /sys/fs/cgroup/cgroup.procs ]; then
  umount --lazy /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
group=/sys/fs/cgroup/$name
mkdir -p "$group"
echo $$ >"$group/cgroup.procs"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$machine/disk,workdir=$machine/work" "$machine/root"
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
# Nothing is asked of a system bus, which hosts such as containers do not have. 133 is a reboot.
status=133
while [ "$status" -eq 133 ]; do
  status=0
  systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$machine/root" \
    --machine="$name" --private-network --bind="$machine/ssh:/run/host/unix-export" \
    --link-journal=no --resolv-conf=off --timezone=off --console=pipe </dev/null || status=$?
done
echo $$ >/sys/fs/cgroup/cgroup.procs
find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || :
exit "$status"
