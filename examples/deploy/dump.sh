#!/usr/bin/env bash
# Dumps DevPocket's database, and keeps the latest dumps.
#
#   dump.sh once      now
#   dump.sh nightly   every night at DUMP_AT (local time), and at once if the last one is old
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
# A dump younger than this is not repeated by a start: restarts must not push out the other nights.
recent_minutes=$((20 * 60))

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
  next=$(date -d "today $at" +%s) || return
  [ "$next" -gt "$now" ] || next=$(date -d "tomorrow $at" +%s)
  echo $((next - now))
}

sleeper=
wait_for() { # seconds and what to say; not longer than the container lives
  sleep "$1" &
  sleeper=$!
  echo "$2"
  wait "$sleeper"
}

wait_for_the_night() {
  local seconds
  seconds=$(until_next)
  wait_for "$seconds" "next dump at $at, in $((seconds / 60)) min"
}

nightly() {
  trap 'kill $sleeper 2>/dev/null || true; exit 0' TERM INT
  until_next >/dev/null || { echo "DUMP_AT is $at; it is a time such as 03:17" >&2; exit 2; }
  if younger_than "$recent_minutes"; then wait_for_the_night; fi
  while true; do
    # In a process of its own, so that -e holds in it.
    if bash "$0" once; then
      wait_for_the_night
    else
      wait_for "$again_seconds" "the dump failed; next try in $((again_seconds / 60)) min"
    fi
  done
}

younger_than() { # minutes
  [ -n "$(find "$folder" -maxdepth 1 -name 'devpocket-*.dump' -mmin "-$1")" ]
}

healthy() {
  younger_than "$healthy_minutes"
}

case "${1:-}" in
once | nightly | healthy) "$1" ;;
*)
  echo "usage: dump.sh once | nightly | healthy" >&2
  exit 2
  ;;
esac
