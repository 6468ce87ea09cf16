#!/usr/bin/env bash
# A Redis of its own for tests: own data, own port on 127.0.0.1, own password. Every command may be repeated.
#
#   tools/redis.sh install   put Debian's binary where no server is (needs root), without its service
#   tools/redis.sh start     make the data directory where it is absent, and start the server
#   tools/redis.sh stop      stop it; "stop immediate" stops it as a power cut would
#   tools/redis.sh flush     forget all that it keeps: tasks on their way to a worker too
#   tools/redis.sh url       print its address, password included
#   tools/redis.sh status    succeed if it runs
#   tools/redis.sh remove    stop it and remove all that it kept
#
# CARBON_REDIS_DIR   its folder; by default one below the folder for temporary files
# CARBON_REDIS_PORT  its port (default 56379)
#
# Exit status 3: no server can be started here, and stderr says why.
set -euo pipefail

base=${CARBON_REDIS_DIR:-${TMPDIR:-/tmp}/airflow-carbon-redis}
port=${CARBON_REDIS_PORT:-56379}
secret=$base/password
settings=$base/redis.conf
pidfile=$base/pid

unable() {
  echo "redis.sh: $*" >&2
  exit 3
}

# Debian's redis-server is a second name of a program that redis-tools brings; that package starts no service.
server=""
for name in redis-server redis-check-rdb; do
  if command -v "$name" >/dev/null; then server=$(command -v "$name") && break; fi
done

install() {
  [ -z "$server" ] || return 0
  [ "$(id -u)" -eq 0 ] || unable "only root can install Debian's package redis-tools"
  command -v apt-get >/dev/null || unable "no apt-get here; install Redis by hand"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends redis-tools
}

check() {
  [ -n "$server" ] || unable "Redis is not installed; as root: tools/redis.sh install"
  command -v redis-cli >/dev/null || unable "redis-cli is not installed; as root: tools/redis.sh install"
}

ask() { REDISCLI_AUTH=$(cat "$secret") redis-cli -h 127.0.0.1 -p "$port" "$@"; }

running() { [ -f "$secret" ] && [ "$(ask ping 2>/dev/null)" = PONG ]; }

pid() { cat "$pidfile" 2>/dev/null; }

prepare() {
  [ ! -f "$settings" ] || return 0
  mkdir -p "$base"
  (umask 077 && head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$secret")
  # In a file that only its owner reads: the command line shows in the list of processes.
  (umask 077 && printf '%s\n' "requirepass $(cat "$secret")" "bind 127.0.0.1" "dir $base" "pidfile $pidfile" \
    "logfile $base/log" "daemonize yes" "appendonly no" 'save ""' "set-proc-title no" >"$settings")
}

start() {
  check
  prepare
  running && return 0
  # By the name that makes it a server. The port is not in the file: a second start may ask for another one.
  bash -c 'exec -a redis-server "$@"' - "$server" "$settings" --port "$port" >/dev/null 2>&1 ||
    unable "the server did not start; see $base/log"
  for _ in $(seq 100); do
    running && return 0
    sleep 0.1
  done
  tail -n 5 "$base/log" >&2
  unable "the server did not answer on port $port"
}

stop() {
  check
  running || return 0
  local process
  process=$(pid)
  if [ "${1:-}" = immediate ]; then kill -KILL "$process"; else ask shutdown nosave >/dev/null 2>&1 || true; fi
  for _ in $(seq 100); do
    kill -0 "$process" 2>/dev/null || return 0
    sleep 0.1
  done
  unable "the server, process $process, did not stop"
}

case ${1:-} in
  install) install ;;
  start) start ;;
  stop) stop "${2:-}" ;;
  flush) check && ask flushall >/dev/null ;;
  status) check && running ;;
  url) echo "redis://:$(cat "$secret")@127.0.0.1:$port/0" ;;
  remove) stop immediate && rm -rf "$base" ;;
  *) sed -n '2,17s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
