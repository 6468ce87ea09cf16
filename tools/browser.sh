#!/usr/bin/env bash
# The browser of the tests: Debian's chromium, where there is none yet. Every command may be repeated.
#
#   tools/browser.sh install   put Debian's package where no browser is (needs root)
#   tools/browser.sh path      print where it is
#
# CARBON_BROWSER   another browser of chromium's family, by its path
#
# Exit status 3: no browser can be had here, and stderr says why.
set -euo pipefail

unable() {
  echo "browser.sh: $*" >&2
  exit 3
}

path() {
  local name
  for name in "${CARBON_BROWSER:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && command -v "$name"; then return 0; fi
  done
  return 1
}

case "${1:-}" in
  install)
    if path >/dev/null; then exit 0; fi
    command -v apt-get >/dev/null || unable "no browser, and no apt-get to install one; name one in CARBON_BROWSER"
    [ "$(id -u)" -eq 0 ] || unable "no browser, and apt-get needs root; run 'apt-get install chromium' as root"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >&2 ||
      unable "apt-get could not install chromium"
    ;;
  path)
    path || unable "no browser; run 'tools/browser.sh install' as root, or name one in CARBON_BROWSER"
    ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
