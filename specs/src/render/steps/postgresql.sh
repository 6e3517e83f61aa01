# On loopback, with a role and a database for the user dev, who signs in by being that user.
needs_apt
install_packages postgresql postgresql-client
for folder in /etc/postgresql/*/main; do
  put "$folder/conf.d/devpocket.conf" <<'END'
listen_addresses = 'localhost'
END
done
start postgresql.service
as_postgres() { runuser -u postgres -- psql -v ON_ERROR_STOP=1 -XAtq "$@"; }
for _ in $(seq 30); do as_postgres -c 'select 1' >/dev/null 2>&1 && break || sleep 1; done
[ "$(as_postgres -c "select 1 from pg_roles where rolname = 'dev'")" = 1 ] ||
  as_postgres -c 'create role dev login createdb'
[ "$(as_postgres -c "select 1 from pg_database where datname = 'dev'")" = 1 ] ||
  as_postgres -c 'create database dev owner dev'
