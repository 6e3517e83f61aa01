#!/usr/bin/env bash
# Dumps DevPocket's database, and keeps the latest dumps.
#
#   dump.sh once      now
#   dump.sh nightly   now, and then every night at DUMP_AT (local time)
#   dump.sh healthy   whether the latest dump is younger than 26 hours
#
# Where the database is comes from PGHOST, PGUSER, PGDATABASE and the like; the password may be in the
# file PGPASSWORD_FILE. Restore with pg_restore into an empty database (README, "Back from a dump").
set -euo pipefail

folder=${DUMP_FOLDER:-/dumps}
keep=${DUMP_KEEP:-14}
at=${DUMP_AT:-03:17}
# After a failure.
again_seconds=900
healthy_minutes=$((26 * 60))

if [ -n "${PGPASSWORD_FILE:-}" ]; then
  PGPASSWORD=$(cat "$PGPASSWORD_FILE")
  export PGPASSWORD
fi

dumps() { # newest first: the names sort by time
  find "$folder" -maxdepth 1 -name 'devpocket-*.dump' -printf '%f\n' | sort -r
}

once() {
  local name draft old
  umask 077
  name=devpocket-$(date -u +%Y-%m-%dT%H%M%SZ).dump
  draft=$folder/.$name.partial
  pg_dump --format=custom --no-owner --no-privileges --file="$draft"
  # A dump that cannot be read is none, and replaces none.
  pg_restore --list "$draft" >/dev/null
  sync "$draft"
  mv "$draft" "$folder/$name"
  sync "$folder"
  dumps | tail -n "+$((keep + 1))" | while read -r old; do rm -- "$folder/$old"; done
  find "$folder" -maxdepth 1 -name '.devpocket-*.partial' -mmin +60 -delete
  echo "dumped to $name, $(stat -c %s "$folder/$name") bytes; $(dumps | wc -l) dumps are kept"
}

until_next() { # seconds
  local now next
  now=$(date +%s)
  next=$(date -d "today $at" +%s)
  [ "$next" -gt "$now" ] || next=$(date -d "tomorrow $at" +%s)
  echo $((next - now))
}

wait_for() { # seconds, but not longer than the container lives
  sleep "$1" &
  wait $!
}

nightly() {
  trap 'exit 0' TERM INT
  until_next >/dev/null || { echo "DUMP_AT is $at; it is a time such as 03:17" >&2; exit 2; }
  while true; do
    # In a process of its own, so that -e holds in it.
    if bash "$0" once; then
      wait_for "$(until_next)"
    else
      echo "the dump failed; next try in $((again_seconds / 60)) min" >&2
      wait_for "$again_seconds"
    fi
  done
}

healthy() {
  [ -n "$(find "$folder" -maxdepth 1 -name 'devpocket-*.dump' -mmin "-$healthy_minutes")" ]
}

case "${1:-}" in
once | nightly | healthy) "$1" ;;
*)
  echo "usage: dump.sh once | nightly | healthy" >&2
  exit 2
  ;;
esac
