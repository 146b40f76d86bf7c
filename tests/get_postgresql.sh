#!/usr/bin/env bash
# A PostgreSQL for the tests of verdict storage, if there is none and this is root on Debian. Without one they are skipped and say so.
set -u
if ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql >/dev/null
fi
exit 0
