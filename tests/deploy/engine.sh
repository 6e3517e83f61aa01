#!/usr/bin/env bash
# Starts examples/deploy on a container engine, as the README says, against a simulated Contabo: the
# first environment, down and up again, the dump and the way back, and TLS in front.
#
#   tests/deploy/engine.sh
#
# By hand, not in CI: it wants Docker, Compose 2.24 or newer, curl, openssl, and images that a registry
# (or somebody before) provides. `devpocket:local` is built if it is not there. It is a project of its
# own and leaves nothing behind, but takes the network of a deployment: not on a machine with one.
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
project=devpocket-trial
port=18000
tls_port=18443
domain=trial.localhost

fail() {
  echo "$*" >&2
  exit 1
}

step() {
  echo "== $* (${SECONDS} s)"
}

[ -z "$(docker network ls --quiet --filter name=devpocket_outside)" ] ||
  fail "this machine has a deployment (network devpocket_outside), which would be in the way"

place=$(mktemp -d)
cp -r "$here"/examples/deploy/. "$place"
cd "$place"

# Secrets of its own, the simulator's credentials, and no mail.
for line in CONTABO_CLIENT_ID=INT-90000001 CONTABO_CLIENT_SECRET=simulated-client-secret \
  CONTABO_USERNAME=simulator@devpocket.invalid CONTABO_PASSWORD=simulated-api-password \
  "DEVPOCKET_MONTHLY_BUDGET='300 EUR'"; do
  sed -i "s|^${line%%=*}=.*|$line|" env.example
done
cp env.example .env
for name in DEVPOCKET_ADMIN_TOKEN DEVPOCKET_SEAL_KEY SECRET_KEY POSTGRES_PASSWORD; do
  sed -i "s/^$name=$/$name=$(openssl rand -hex 32)/" .env
done
cat >>.env <<END
DEVPOCKET_PORT=$port
DEVPOCKET_DOMAIN=$domain
ACME_EMAIL=nobody@$domain
CONTABO_API_URL=http://127.0.0.1:8001
CONTABO_AUTH_URL=http://127.0.0.1:8001/auth/realms/contabo/protocol/openid-connect/token
END
token=$(sed -n 's/^DEVPOCKET_ADMIN_TOKEN=//p' .env)

# The simulator listens on loopback only: it is in DevPocket's network, on DevPocket's loopback.
cat >simulator.yaml <<END
services:
  simulator:
    image: devpocket:local
    user: "0"
    entrypoint: [/usr/local/bin/devpocket, simulator, serve, --speed, "100", --data, /state]
    network_mode: service:devpocket
    volumes: [state:/state]
    healthcheck: { test: [CMD, bash, -c, "exec 3<>/dev/tcp/127.0.0.1/8001"], interval: 1s }
volumes:
  state:
END
# 80 and 443 may be taken here. The name is one that Caddy signs itself.
cat >ports.yaml <<END
services:
  caddy:
    ports: !override ["127.0.0.1:$tls_port:443"]
END

files=(-f compose.yaml -f simulator.yaml)
compose() {
  docker compose --project-name "$project" "${files[@]}" "$@"
}

devpocket() {
  compose exec -T devpocket /usr/local/bin/devpocket --server http://127.0.0.1:8000 \
    --token "$token" --namespace main "$@"
}

# Whoever begins anew is in another network: the simulator follows.
up() {
  compose up --detach --wait --no-build
  compose restart simulator
  compose up --detach --wait --no-build simulator
}

end() {
  local status=$?
  [ "$status" = 0 ] || compose logs --tail 50 || true
  files=(-f compose.yaml -f compose.prod.yaml -f ports.yaml -f simulator.yaml)
  compose down --volumes --timeout 10 >/dev/null 2>&1 || true
  rm -rf "$place"
  exit "$status"
}
trap end EXIT

is_as_declared() {
  devpocket wait env/web --timeout 3m
  local machines
  machines=$(devpocket status | sed -n 's/^Objects .*; \([0-9]*\) machine.*/\1/p')
  [ "$machines" = 1 ] || fail "there are $machines machines, not the one that was bought"
}

if ! docker image inspect devpocket:local >/dev/null 2>&1; then
  step "build"
  docker build --tag devpocket:local "$here"
fi

step "up"
up
step "the first environment"
plan=$(devpocket plan -f - <first.yaml | sed -n 's/^Plan \([0-9a-f]*\) .*/\1/p')
devpocket apply -f - --plan "$plan" <first.yaml
is_as_declared

step "down and up: the database is kept"
compose down
up
is_as_declared

step "with TLS and dumps"
files=(-f compose.yaml -f compose.prod.yaml -f ports.yaml -f simulator.yaml)
up
compose cp caddy:/data/caddy/pki/authorities/local/root.crt root.crt
answer=$(curl --silent --show-error --fail --cacert root.crt \
  --resolve "$domain:$tls_port:127.0.0.1" "https://$domain:$tls_port/health/ready")
[[ $answer == *'"status":"ok"'* ]] || fail "through Caddy: $answer"
is_as_declared

step "a dump, and the way back"
compose exec -T dump bash /usr/local/bin/dump.sh once
dump=$(find dumps -name 'devpocket-*.dump' | sort | tail -n 1)
compose stop devpocket
compose up --detach --wait postgres
compose exec -T postgres psql -U devpocket -d postgres \
  -c 'ALTER DATABASE devpocket RENAME TO replaced' -c 'CREATE DATABASE devpocket'
compose exec -T postgres pg_restore -U devpocket -d devpocket --no-owner --exit-on-error \
  --single-transaction <"$dump"
up
# What a restored database must not do by itself is for tests/serve/restore.rs.
devpocket wait env/web --timeout 3m
devpocket resume --all --yes
is_as_declared

step "all of it works"
