#!/bin/sh
# couch_server.sh: a private Apache CouchDB for one test program.
#
# Starts the installed CouchDB (/opt/couchdb, where its packages put it) with a folder of its own,
# on a port of 127.0.0.1 that the kernel picks, prints its URL with the administrator's name and
# password, and stops it when standard input ends: also when the program was killed.
# Exit 77: no CouchDB is installed.
set -eu

home=/opt/couchdb
start_tries=600 # of 0.1 s: a cold start on a busy machine takes many seconds
stop_tries=100

[ -x "$home/bin/couchdb" ] && [ -r "$home/etc/vm.args" ] || exit 77

folder=$(mktemp -d "${TMPDIR:-/tmp}/couch-test-XXXXXX")
mkdir "$folder/data"

cat >"$folder/local.ini" <<INI
[couchdb]
single_node = true
database_dir = $folder/data
view_index_dir = $folder/data
uri_file = $folder/uri
[chttpd]
bind_address = 127.0.0.1
port = 0
authentication_handlers = {chttpd_auth, cookie_authentication_handler}, {chttpd_auth, jwt_authentication_handler}, {chttpd_auth, default_authentication_handler}
[smoosh]
state_dir = $folder/data
[log]
writer = file
file = $folder/couch.log
level = warning
; 10 iterations: tests log in often, and the default takes 0.2 s each time
[chttpd_auth]
iterations = 10
; five wrong passwords within five minutes would lock the account for all tests that follow
[chttpd_auth_lockout]
mode = off
[jwt_keys]
hmac:_default = dGVzdC1rZXktb2YtdGhlLXVuaXQtdGVzdHM=
[jwt_auth]
required_claims = exp
[admins]
adm = pass
INI
# No name service and no distribution port are shared with another CouchDB; no busy waiting, and
# one thread for files: on few processors more of them only wake each other up.
{
        cat "$home/etc/vm.args"
        printf '%s\n' '-start_epmd false' '-dist_listen false' \
                '+sbwt none' '+sbwtdcpu none' '+sbwtdio none' '+SDio 1'
} >"$folder/vm.args"

COUCHDB_ARGS_FILE="$folder/vm.args" HOME="$folder" \
        COUCHDB_INI_FILES="$home/etc/default.ini $folder/local.ini" \
        "$home/bin/couchdb" </dev/null >"$folder/console.log" 2>&1 &
pid=$!

stop() {
        trap - EXIT INT TERM HUP
        kill "$pid" 2>/dev/null || true
        i=0
        while kill -0 "$pid" 2>/dev/null; do
                i=$((i + 1))
                if [ $i -ge $stop_tries ]; then
                        kill -9 "$pid" 2>/dev/null || true
                fi
                sleep 0.1
        done
        rm -rf "$folder"
}
trap stop EXIT INT TERM HUP

ready() {
        [ -s "$folder/uri" ] || return 1
        url=$(tr -d '\n' <"$folder/uri")
        url=${url%/}
        for path in _up _users _replicator; do
                code=$(curl -s -o /dev/null -w '%{http_code}' -u adm:pass "$url/$path") || return 1
                [ "$code" = 200 ] || return 1
        done
}

i=0
until ready; do
        i=$((i + 1))
        if [ $i -ge $start_tries ] || ! kill -0 "$pid" 2>/dev/null; then
                cat "$folder/console.log" >&2
                exit 1
        fi
        sleep 0.1
done
printf 'http://adm:pass@%s\n' "${url#http://}"
cat >/dev/null # until the program that started this ends
