#!/usr/bin/env bash
# A PostgreSQL of its own for tests: own data, own port on 127.0.0.1, own password. Every command may be repeated.
#
#   tools/postgres.sh install   put Debian's package where no server is (needs root), without its own cluster
#   tools/postgres.sh start     make the data directory where it is absent, and start the server
#   tools/postgres.sh stop      stop it; "stop immediate" stops it as a power cut would
#   tools/postgres.sh url       print its address, password included
#   tools/postgres.sh status    succeed if it runs
#   tools/postgres.sh remove    stop it and remove all that it kept
#
# CARBON_POSTGRES_DIR   its folder; by default one below the folder for temporary files
# CARBON_POSTGRES_PORT  its port (default 54329)
# CARBON_POSTGRES_CONNECTIONS  how many it takes at a time (default 50)
#
# PostgreSQL refuses to run as root: then it runs as the user postgres, which Debian's package makes.
# Exit status 3: no server can be started here, and stderr says why.
set -euo pipefail

base=${CARBON_POSTGRES_DIR:-${TMPDIR:-/tmp}/airflow-carbon-postgres}
port=${CARBON_POSTGRES_PORT:-54329}
connections=${CARBON_POSTGRES_CONNECTIONS:-50}
data=$base/data
secret=$base/password

unable() {
  echo "postgres.sh: $*" >&2
  exit 3
}

bin=""
for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5,5Vr); do
  if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then bin=$folder && break; fi
done
if [ -z "$bin" ] && command -v initdb >/dev/null && command -v postgres >/dev/null; then
  bin=$(dirname "$(readlink -f "$(command -v initdb)")")
fi

install() {
  [ -z "$bin" ] || return 0
  [ "$(id -u)" -eq 0 ] || unable "only root can install Debian's package postgresql"
  command -v apt-get >/dev/null || unable "no apt-get here; install PostgreSQL by hand"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends postgresql-common
  # The package would make and start a server of its own.
  mkdir -p /etc/postgresql-common
  echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
  apt-get install -y -qq --no-install-recommends postgresql
}

as_owner() {
  # From a folder that the other user may enter, or PostgreSQL warns.
  if [ "$(id -u)" -eq 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

check() {
  [ -n "$bin" ] || unable "PostgreSQL is not installed; as root: tools/postgres.sh install"
  if [ "$(id -u)" -eq 0 ]; then
    command -v runuser >/dev/null || unable "root cannot run PostgreSQL, and there is no runuser to become another user"
    id postgres >/dev/null 2>&1 || unable "root cannot run PostgreSQL, and there is no user postgres"
  fi
}

running() { [ -d "$data" ] && as_owner "$bin/pg_ctl" -D "$data" status >/dev/null 2>&1; }

prepare() {
  [ ! -f "$data/PG_VERSION" ] || return 0
  mkdir -p "$base"
  (umask 077 && head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$secret")
  if [ "$(id -u)" -eq 0 ]; then chown postgres "$base" "$secret"; fi
  as_owner "$bin/initdb" -D "$data" -U carbon --pwfile="$secret" --auth=scram-sha-256 -E UTF8 --locale=C >/dev/null
}

start() {
  check
  prepare
  running && return 0
  # No socket file: two servers would need two folders for them.
  as_owner "$bin/pg_ctl" -D "$data" -l "$base/log" -w -t 60 \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=$connections" start >/dev/null || {
    tail -n 5 "$base/log" >&2
    unable "the server did not start on port $port"
  }
}

stop() {
  check
  running || return 0
  as_owner "$bin/pg_ctl" -D "$data" -m "${1:-fast}" -w -t 60 stop >/dev/null
}

case ${1:-} in
  install) install ;;
  start) start ;;
  stop) stop "${2:-fast}" ;;
  status) check && running ;;
  url) echo "postgresql://carbon:$(cat "$secret")@127.0.0.1:$port/postgres" ;;
  remove) stop immediate && rm -rf "$base" ;;
  *) sed -n '2,17s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
