# Shared by the steps. A step can be cut off anywhere and is then run again from its beginning.
umask 022
say() { printf '%s\n' "$*"; }
fail() {
  say "$*"
  exit 1
}
parameter() { # parameter NAME: its value; the template declares it with a default
  local name=DEVPOCKET_PARAMETER_${1^^}
  name=${name//-/_}
  [ -n "${!name:-}" ] || fail "the template has no parameter $1, which this step needs" >&2
  printf '%s' "${!name}"
}
fetch() { # fetch URL FILE: all of it or nothing
  local only='=https'
  case $1 in http://*) only='=http,https' ;; esac
  say "fetching $1"
  curl -fsSL --proto "$only" --connect-timeout 20 --max-time 600 --speed-limit 1000 \
    --speed-time 60 -o "$2.part" -- "$1" && mv -f "$2.part" "$2"
}
put() { # put FILE [MODE]: replaced as a whole by what comes in
  mkdir -p "${1%/*}"
  cat >"$1.new"
  chmod "${2:-644}" "$1.new"
  mv -f "$1.new" "$1"
}
apt() { apt-get -o Acquire::Retries=2 -o DPkg::Lock::Timeout=300 "$@"; }
needs_apt() {
  command -v apt-get >/dev/null ||
    fail "this step is for Ubuntu and Debian, and this machine has no apt; choose such an image"
}
install_packages() {
  if command -v apt-get >/dev/null; then
    # A cut in the middle leaves packages that are unpacked and not set up.
    dpkg --configure -a
    apt update -qq
    apt -o Dpkg::Options::=--force-confold install -y --no-install-recommends -- "$@"
  elif command -v dnf >/dev/null; then
    dnf install -y -- "$@"
  else
    zypper --non-interactive install -- "$@"
  fi
}
start() { systemctl enable --now "$@" && systemctl restart "$@"; }
