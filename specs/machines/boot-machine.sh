#!/bin/sh
# Boots a machine: a real one as far as its own programs go, with systemd, cloud-init and sshd, in a
# container of systemd-nspawn over a root file system that debian13.sh made.
#
#   boot-machine.sh BASE MACHINE SOCKETS NAME
#
# BASE is not changed. MACHINE is the machine's own folder: `disk` holds what it wrote (gone means
# reinstalled), `disk/var/lib/cloud/seed/nocloud` its user-data. SOCKETS is a folder for its sockets,
# which want short paths: behind `ssh` its sshd listens, as behind its port 22. It has no network but
# its own loopback. The machine lives until the input of this process ends, which is a power cut, or
# until it switches itself off. Needs root, on Linux with cgroup 2 in the kernel; changes no mount of
# the host. Who is root on the machine is root in a container without user namespaces: it is for
# programs one trusts.
set -eu
if [ "${5:-}" != inside ]; then
  exec unshare --mount -- sh "$0" "$1" "$2" "$3" "$4" inside
fi
base=$(realpath "$1") sockets=$(realpath "$3") name=$4
# Its folder may get another name while it runs.
cd "$2"
mkdir -p disk work root
rm -f off "$sockets/ssh"
mount --make-rprivate /
# systemd wants the one hierarchy of cgroup 2, whatever the host uses.
if ! [ -e /sys/fs/cgroup/cgroup.procs ]; then
  umount --lazy /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
group=/sys/fs/cgroup/$name
mkdir -p "$group"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$PWD/disk,workdir=$PWD/work" "$PWD/root"

# The power cut. It outlives this process where that is killed.
exec 3<&0
(
  cat <&3 >/dev/null
  : >off
  watcher=$(cat watcher 2>/dev/null || echo none)
  # Its number may be somebody else's by now.
  case $(cat "/proc/$watcher/comm" 2>/dev/null) in
    systemd-nspawn | sh) ;;
    *) watcher=none ;;
  esac
  # What watches the machine is no parent of all it started: the machine's first process goes first.
  for process in $(cat "/proc/$watcher/task/$watcher/children" 2>/dev/null || :) "$watcher"; do
    [ "$process" = none ] || kill -9 "$process" 2>/dev/null || :
  done
  for _ in 1 2 3 4 5; do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
    sleep 0.2
  done
) &

# Nothing is asked of a system bus, which hosts such as containers do not have. 133 is a reboot.
status=133
while [ "$status" -eq 133 ] && ! [ -e off ]; do
  status=0
  # shellcheck disable=SC2016
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" \
    systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$PWD/root" \
    --machine="$name" --private-network --bind="$sockets:/run/host/unix-export" \
    --link-journal=no --resolv-conf=off --timezone=off --console=pipe </dev/null 3<&- &
  echo $! >watcher
  wait $! || status=$?
  rm -f watcher
done
exit "$status"
