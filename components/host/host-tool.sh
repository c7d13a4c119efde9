#!/usr/bin/env bash
# What a deployment does on a host, one verb a step. Installed by the deployment itself;
# every verb may be run again after it was cut short.
#
#   host release SERVICE DIGEST GID     files from stdin → SERVICE/releases/DIGEST
#   host secrets SERVICE DIGEST UID     an env file from stdin → SERVICE/secrets/DIGEST.env
#   host folder SERVICE NAME UID MODE   a folder of a service
#   host ready CONTAINER SECONDS PIDS   wait until it is healthy; fail fast when it ends
#   host smoke CONTAINER MODEL...       ask the gateway for a completion, past the edge
#   host activate SERVICE DIGEST IMAGE  check an edge configuration, then load it without a gap
#   host traffic GATEWAY EDGE           point this edge at this gateway, when it answers
#   host remove SERVICE                 everything of a service but its containers
set -euo pipefail
umask 077
ROOT=$(dirname "$(dirname "$(readlink -f "$0")")")
KEEP=5                # releases and secret files kept for each service
LABEL=ai-backend.service

die() { echo "$*" >&2; exit 1; }

# Drops all but the newest few, and never one that a container has mounted.
prune() { # FOLDER
  local used old
  used=$(docker ps -aq --no-trunc | xargs -r docker inspect -f '{{range .HostConfig.Binds}}{{println .}}{{end}}' 2>/dev/null | cut -d: -f1 || true)
  ls -1t "$1" | grep -v '\.new$' | tail -n +$((KEEP + 1)) | while read -r old; do
    grep -qxF "$1/$old" <<< "$used" || [ "$(readlink "$1/../current" 2>/dev/null)" = "releases/$old" ] || rm -rf "${1:?}/$old"
  done
}

# The bundle: for each file a line "==> NAME BYTES", then so many bytes and a newline.
release() { # SERVICE DIGEST GID
  local base=$ROOT/$1 new line name bytes
  new=$base/releases/$2.new
  install -d -m 751 "$ROOT" "$base"
  install -d -m 751 "$base/releases"
  rm -rf "$new"; install -d -m 750 -g "$3" "$new"
  while IFS= read -r line; do
    [[ $line =~ ^'==> '([A-Za-z0-9._/-]+)' '([0-9]+)$ ]] || die "the bundle of $1 is damaged at: ${line:0:60}"
    name=${BASH_REMATCH[1]} bytes=${BASH_REMATCH[2]}
    [[ /$name/ != */../* ]] || die "a file of $1 leaves its folder: $name"
    [ "$(dirname "$name")" = . ] || install -d -m 750 -g "$3" "$new/$(dirname "$name")"
    head -c "$bytes" > "$new/$name"
    [ "$(stat -c %s "$new/$name")" = "$bytes" ] || die "the bundle of $1 ends too early, in $name"
    chgrp "$3" "$new/$name"; chmod 640 "$new/$name"
    IFS= read -r line || true
  done
  sync -f "$new"
  rm -rf "${base:?}/releases/$2"
  mv -T "$new" "$base/releases/$2"
  touch "$base/releases/$2"
  prune "$base/releases"
}

secrets() { # SERVICE DIGEST UID
  local dir=$ROOT/$1/secrets
  install -d -m 751 "$ROOT" "$ROOT/$1"
  install -d -m 711 "$dir"
  cat > "$dir/$2.env.new"
  chown "$3" "$dir/$2.env.new"; chmod 600 "$dir/$2.env.new"
  sync "$dir/$2.env.new"
  mv -fT "$dir/$2.env.new" "$dir/$2.env"
  prune "$dir"
}

folder() { # SERVICE NAME UID MODE
  install -d -m 751 "$ROOT" "$ROOT/$1"
  install -d -m "$4" -o "$3" "$ROOT/$1/$2"
}

mask() { sed -E 's/(sk-|Bearer )[A-Za-z0-9_-]{6,}/\1***/g; s/((password|secret|token|api_key)["'"'"']?[=: ]+["'"'"']?)[^"'"'"' ,]{6,}/\1***/Ig'; }

gave_up() { # CONTAINER WHY
  echo "$2. Its last lines:" >&2
  docker logs --tail 25 "$1" 2>&1 | mask | cut -c1-300 | sed 's/^/  | /' >&2
  docker update --restart=no "$1" > /dev/null 2>&1 || true
  docker stop -t 2 "$1" > /dev/null 2>&1 || true
  echo "What served before still serves. Fix the setting or the image, and run the update again." >&2
  exit 1
}

# Containers of a service that earlier updates gave up on: they are stopped, and nobody needs them.
drop_given_up() { # CONTAINER
  local service other
  service=$(docker inspect -f "{{index .Config.Labels \"$LABEL\"}}" "$1")
  for other in $(docker ps -aq --no-trunc --filter "label=$LABEL=$service" --filter status=exited); do
    [ "$other" = "$1" ] || [ "$(docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' "$other")" != no ] || docker rm -v "$other" > /dev/null
  done
}

ready() { # CONTAINER SECONDS PIDS
  local id=$1 end=$((SECONDS + $2)) state status health restarts name
  drop_given_up "$id"
  docker update --pids-limit "$3" "$id" > /dev/null
  name=$(docker inspect -f '{{slice .Name 1}}' "$id")
  if [ "$(docker inspect -f '{{.State.Running}}' "$id")" = false ] && [ "$(docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' "$id")" = no ]; then
    docker update --restart=unless-stopped "$id" > /dev/null      # a try that was given up before
    docker start "$id" > /dev/null
  fi
  restarts=$(docker inspect -f '{{.RestartCount}}' "$id")
  while :; do
    state=$(docker inspect -f '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}} {{.RestartCount}} {{.State.ExitCode}}' "$id")
    read -r status health now code <<< "$state"
    [ "$status $health" = "running healthy" ] && return 0
    [ "$status" != exited ] && [ "$now" = "$restarts" ] || gave_up "$id" "$name ended by itself (exit code $code)"
    [ $SECONDS -lt "$end" ] || gave_up "$id" "$name is not healthy after $2 s ($status, $health)"
    sleep 0.3
  done
}

# Asks each model until one answers. The key stays inside the container.
smoke() { # CONTAINER MODEL...
  local id=$1; shift
  docker exec -i "$id" sh -c '. /run/secrets/env; export LITELLM_MASTER_KEY; exec python3 - "$@"' smoke "$@" <<-'PYTHON' || gave_up "$id" "the new gateway is healthy, but answers no completion"
	import json, os, sys, urllib.error, urllib.request
	failed = []
	for model in sys.argv[1:]:
	    body = json.dumps({"model": model, "max_tokens": 8, "messages": [{"role": "user", "content": "ping"}], "cache": {"no-cache": True}})
	    head = {"authorization": "Bearer " + os.environ["LITELLM_MASTER_KEY"], "content-type": "application/json"}
	    try:
	        request = urllib.request.Request("http://127.0.0.1:4000/v1/chat/completions", body.encode(), head)
	        answer = json.load(urllib.request.urlopen(request, timeout=30))
	        answer["choices"][0]["message"]["role"]
	        print(model + ": answered by " + str(answer.get("model")))
	        sys.exit(0)
	    except urllib.error.HTTPError as error:
	        failed.append(model + ": " + str(error.code) + " " + error.read().decode()[:200])
	    except Exception as error:
	        failed.append(model + ": " + str(error)[:200])
	print("\n".join(failed), file=sys.stderr)
	sys.exit(1)
	PYTHON
}

# One command to HAProxy's admin socket. Only root and HAProxy itself reach it.
admin() { # COMMAND
  local socket=$ROOT/edge/run/admin.sock
  if command -v socat > /dev/null; then printf '%s\n' "$1" | socat -t 5 - "UNIX-CONNECT:$socket"
  elif command -v perl > /dev/null; then
    perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$!\n"; print $s "$ARGV[1]\n"; $s->flush; print while <$s>' "$socket" "$1"
  elif command -v python3 > /dev/null; then
    python3 -c 'import socket,sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall((sys.argv[2] + "\n").encode())
while True:
    d = s.recv(65536)
    if not d: break
    sys.stdout.write(d.decode())' "$socket" "$1"
  else printf '%s\n' "$1" | nc -U -w 5 "$socket"; fi
}
save_servers() {
  install -d -m 751 "$ROOT/edge/state"
  # Flag 64 says that the name was set at run time. HAProxy drops it when it loads the file, and
  # heeds a name in the file only with it: written back as it came, a second start would lose the gateway.
  admin 'show servers state' | awk '$4 == "gateway" && $18 != "unset" && $18 != "-" && NF > 18 { $7 = 64 } { print }' > "$ROOT/edge/state/servers.new"
  grep -q ' gateway ' "$ROOT/edge/state/servers.new" || die "the edge does not say which servers it has"
  chmod 644 "$ROOT/edge/state/servers.new"
  mv -f "$ROOT/edge/state/servers.new" "$ROOT/edge/state/servers"
}

activate() { # SERVICE DIGEST IMAGE
  local base=$ROOT/$1 id before now tries
  docker run --rm --network none --read-only --user 99:99 --cap-drop ALL --entrypoint haproxy -v "$base:/edge:ro" "$3" \
    -c -q -f "/edge/releases/$2/haproxy.cfg" >&2 || die "HAProxy refuses the new configuration; the running one stays"
  id=$(docker ps -q --filter "label=$LABEL=$1" --filter status=running | head -1)
  if [ -n "$id" ] && [ -S "$base/run/admin.sock" ]; then
    save_servers
    before=$(admin 'show info' | awk -F': ' '$1 == "Pid" {print $2}')
  fi
  ln -sfn "releases/$2" "$base/current.new"; mv -fT "$base/current.new" "$base/current"
  [ -n "${before:-}" ] || return 0
  # Not `docker kill`: that marks the container as stopped by hand, and a boot would not start it.
  docker exec "$id" sh -c 'kill -USR2 1'
  for tries in $(seq 60); do
    now=$(admin 'show info' 2>/dev/null | awk -F': ' '$1 == "Pid" {print $2}') || now=''
    [ -n "$now" ] && [ "$now" != "$before" ] && break
    sleep 0.25
  done
  [ -n "${now:-}" ] && [ "$now" != "$before" ] || die "the edge did not take its new configuration within 15 s; the old one still serves"
  now=$(admin 'show servers state gateway' | awk '$4 == "gateway" {print $18}')
  [ ! -s "$ROOT/gateway/serving" ] || [ "$now" = "$(cat "$ROOT/gateway/serving")" ] || point "$(cat "$ROOT/gateway/serving")"
}

# Sends the edge's traffic to a gateway container, and comes back when it arrives there.
point() { # GATEWAY
  local name=$1 ip n=0 i seen
  ip=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{println .IPAddress}}{{end}}' "$name" | grep -v '^$' | head -1)
  admin "set server gateway/gateway fqdn $name" > /dev/null
  for i in $(seq 120); do
    seen=$(admin 'show servers state gateway' | awk '$4 == "gateway" {print $5, $6}')     # address, 2 = up
    [ "$seen" = "$ip 2" ] && n=$((n + 1)) || n=0
    [ $n -ge 4 ] && break
    sleep 0.25
  done
  [ $n -ge 4 ] || die "the edge does not see $name ($ip) as up after 30 s: it has ${seen:-nothing}. Fix: look at \`docker logs $name\` and at the edge's own log"
  save_servers
}

traffic() { # GATEWAY EDGE
  point "$1"
  echo "$1" > "$ROOT/gateway/serving.new"; mv -f "$ROOT/gateway/serving.new" "$ROOT/gateway/serving"
  echo "$1 has the traffic"
}

remove() { rm -rf "${ROOT:?}/${1:?}"; }

case ${1:-} in
  release|secrets|folder|ready|smoke|activate|traffic|remove) "$@" ;;
  *) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
