#!/bin/sh
# The one user's password comes by the environment, so that no image holds it.
set -eu
umask 077
printf 'daybook:%s\n' "${DAYBOOK_CALDAV_PASSWORD:?}" > /tmp/htpasswd
exec python -m radicale --config /etc/radicale/config
