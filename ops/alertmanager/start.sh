#!/bin/sh
# Writes Alertmanager's configuration from alertmanager.yml beside this file and the environment, and starts it:
#   start.sh CONFIG alertmanager --config.file=CONFIG ...
# Alertmanager itself does not read the environment, and has no empty receivers for what is not set.
set -eu
umask 077 # a password may stand in the configuration

names="ALERT_PAGE_URL ALERT_TICKET_URL ALERT_MAIL_TO ALERT_MAIL_FROM ALERT_SMTP ALERT_SMTP_TLS ALERT_SMTP_USER ALERT_SMTP_PASSWORD"
config=$1
shift

fail() {
    echo "alertmanager: $1" >&2
    exit 1
}

value_of() {
    eval "printf '%s' \"\${$1:-}\""
}

# A quoted value of YAML, and no metacharacter of sed's: quotes are doubled, \ & | escaped. Line breaks are refused below.
quote() {
    printf '%s' "$1" | sed -e "s/'/''/g" -e 's/[\\&|]/\\&/g'
}

: "${ALERT_SMTP_TLS:=true}"
[ -n "${ALERT_PAGE_URL:-}${ALERT_MAIL_TO:-}" ] || echo "alertmanager: nobody is paged: set ALERT_PAGE_URL or ALERT_MAIL_TO" >&2
if [ -n "${ALERT_MAIL_TO:-}" ]; then
    [ -n "${ALERT_SMTP:-}" ] && [ -n "${ALERT_MAIL_FROM:-}" ] || fail "ALERT_MAIL_TO needs ALERT_SMTP and ALERT_MAIL_FROM"
fi
case $ALERT_SMTP_TLS in true | false) ;; *) fail "ALERT_SMTP_TLS is true or false" ;; esac

edits=""
for name in $names; do
    value=$(value_of "$name")
    case $value in *"
"*) fail "$name has a line break" ;; esac
    [ -n "$value" ] || edits="$edits
/# with $name\$/,/# end\$/d"
    edits="$edits
s|\${$name}|$(quote "$value")|g"
done
printf '%s\n' "$edits" | sed -f /dev/stdin "$(dirname "$0")/alertmanager.yml" >"$config"
exec "$@"
