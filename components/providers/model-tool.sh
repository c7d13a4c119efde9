#!/usr/bin/env bash
# Brings models to a host. Installed by the deployment; every verb may be run again after it
# was cut short, and goes on where it stopped.
#
#   models file DEST SHA256 URL                   one file, checked
#   models hub-file DEST SHA256|- ENDPOINT REPO REVISION FILE   one file of a Hugging Face repository
#   models hub-folder DEST IMAGE ENDPOINT REPO REVISION         a whole repository, by the engine's own library
#   models token                                  a Hugging Face token from stdin, for the two above
#   models ollama CONTAINER                       the models of an Ollama, as stdin says
#
# DEST is relative to the models' folder. What is there under its name is whole and checked.
set -euo pipefail
umask 022
ROOT=$(dirname "$(dirname "$(readlink -f "$0")")")
MODELS=$ROOT/models
TOKEN=$ROOT/models-token     # of Hugging Face, as a curl configuration; only root reads it
STALL_SECONDS=60             # a transfer slower than 1 KiB/s for so long is tried again
TRIES=5

die() { echo "$*" >&2; exit 1; }
mib() { echo $(($1 / 1048576)) MiB; }

# One at a time on a host: two engines that want the same share one transfer, and others lose nothing by it.
locked() { # DEST COMMAND...
  local dest=$1; shift
  install -d -m 755 "$ROOT" "$MODELS" "$(dirname "$MODELS/$dest")"
  exec 9> "$MODELS/.lock"
  flock -n 9 || { echo "$dest: waits for another transfer"; flock 9; }
  if [ -e "$MODELS/$dest" ]; then echo "$dest: there"; else "$@"; fi
}

# Says every few seconds how far a file is.
progress() { # FILE BYTES NAME
  local before=0 now
  while sleep 5; do
    now=$(stat -c %s "$1" 2>/dev/null || echo 0)
    [ "$2" -gt 0 ] && echo "$3: $((now * 100 / $2)) % of $(mib "$2"), $(((now - before) / 5242880)) MiB/s" || echo "$3: $(mib "$now")"
    before=$now
  done
}

room() { # BYTES NAME PART
  local free have
  have=$(stat -c %s "$3" 2>/dev/null || echo 0)
  free=$(df -PB1 "$MODELS" | awk 'NR==2 {print $4}')
  [ $(($1 - have + 1073741824)) -lt "$free" ] || die "$2 needs $(mib "$1") and 1 GiB to spare, and $(mib "$free") are free in $MODELS. Fix: free some space; models that nothing uses lie there, too"
}

# The headers of the last answer, and the size in it.
size_of() { awk 'BEGIN { IGNORECASE = 1 } /^HTTP\// { n = "" } tolower($1) == "content-length:" { n = $2 + 0 } END { print n + 0 }' <<< "$1"; }

transfer() { # DEST SUM URL CURL_OPTION...
  local dest=$1 sum=$2 url=$3 part bytes got watcher code name
  shift 3
  part=$MODELS/$dest.part name=$(basename "$dest")
  bytes=$(size_of "$(curl -fsSIL --max-time 30 "$@" "$url" 2>/dev/null || true)")
  [ "$bytes" -eq 0 ] || room "$bytes" "$name" "$part"
  echo "$name: from $url, $( [ "$bytes" -gt 0 ] && mib "$bytes" || echo 'size not said')$( [ -e "$part" ] && echo ", going on after $(mib "$(stat -c %s "$part")")")"
  if [ "$bytes" -eq 0 ] || [ "$(stat -c %s "$part" 2>/dev/null || echo 0)" -ne "$bytes" ]; then
    progress "$part" "$bytes" "$name" & watcher=$!
    code=0
    for _ in $(seq "$TRIES"); do
      code=0
      curl -fsSL --connect-timeout 15 --speed-limit 1024 --speed-time "$STALL_SECONDS" -C - -o "$part" "$@" "$url" 9>&- || code=$?
      [ "$code" -ne 0 ] || break
      # 22: refused with an HTTP status; 33 and 36: cannot go on where it stopped.
      case $code in
        22) break ;;
        33|36) rm -f "$part" ;;
        *) echo "$name: broken off (curl $code), going on"; sleep 2 ;;
      esac
    done
    kill "$watcher" 2>/dev/null || true; wait "$watcher" 2>/dev/null || true
    [ "$code" -eq 0 ] || die "$name cannot be fetched from $url (curl $code). What is there of it stays, the next update goes on"
  fi
  got=$(checksum "$part" "${#sum}")
  if [ "$got" != "$sum" ]; then
    rm -f "$part"
    die "$name from $url has the checksum $got, expected $sum. It was thrown away and nothing was replaced. Fix: correct the checksum, or find out who changed the file"
  fi
  chmod 644 "$part"; sync "$part"; mv -fT "$part" "$MODELS/$dest"
  echo "$name: checked, $(mib "$(stat -c %s "$MODELS/$dest")")"
}

# 64 digits: SHA-256. 40: git's name of a small file.
checksum() { # FILE DIGITS
  if [ "$2" -eq 64 ]; then sha256sum "$1" | cut -d' ' -f1
  else { printf 'blob %s\0' "$(stat -c %s "$1")"; cat "$1"; } | sha1sum | cut -d' ' -f1; fi
}

file() { locked "$1" transfer "$1" "$2" "$3"; }

token() { install -d -m 751 "$ROOT"; (umask 077; cat > "$TOKEN.new"; mv -f "$TOKEN.new" "$TOKEN"); }
with_token() { [ ! -s "$TOKEN" ] || printf '%s\n' -K "$TOKEN"; }

hub_transfer() { # DEST SUM ENDPOINT REPO REVISION FILE
  local url=$3/$4/resolve/$5/$6 head sum=$2 auth
  mapfile -t auth < <(with_token)
  if [ "$sum" = - ]; then
    # The hub's own answer, before it sends on to where the bytes lie.
    head=$(curl -sSI --max-time 30 "${auth[@]}" "$url") || die "$3 cannot be reached"
    [[ $head =~ ^HTTP/[0-9.]+\ (200|30[0-9]) ]] || die "$url: $(head -1 <<< "$head" | tr -d '\r'). Fix: look at repository, revision and file; for a gated model set hf_token"
    sum=$(awk 'tolower($1) == "x-linked-etag:" { linked = $2 } tolower($1) == "etag:" { plain = $2 } END { print linked != "" ? linked : plain }' <<< "$head" | tr -d '"\r' | sed 's/^W\///')
    [[ $sum =~ ^([0-9a-f]{40}|[0-9a-f]{64})$ ]] || die "$url: the hub states no checksum. Fix: add sha256"
  fi
  transfer "$1" "$sum" "$url" "${auth[@]}"
}
hub_file() { locked "$1" hub_transfer "$@"; }

hub_snapshot() { # DEST IMAGE ENDPOINT REPO REVISION
  local part=$MODELS/$1.part
  install -d -m 755 "$part"
  docker run --rm -i --user "$(id -u):$(id -g)" --cap-drop ALL --security-opt no-new-privileges --network host --entrypoint python3 \
    -e HF_ENDPOINT="$3" -e HF_HOME=/tmp/hf -e HF_HUB_DISABLE_TELEMETRY=1 -e HF_HUB_DISABLE_XET=1 -e HF_HUB_DISABLE_PROGRESS_BARS=1 -v "$part:/model" \
    "$2" - "$4" "$5" < <(printf 'TOKEN = %s\n' "$(sed -n "s/^header = \"authorization: Bearer \(.*\)\"$/'\1'/p" "$TOKEN" 2>/dev/null | grep . || echo None)"; cat <<-'PYTHON'
	import hashlib, os, sys, threading
	from huggingface_hub import HfApi, snapshot_download
	repo, revision = sys.argv[1:]
	files = HfApi(token=TOKEN).model_info(repo, revision=revision, files_metadata=True).siblings
	# Weights twice (pytorch beside safetensors) are the usual case: what vLLM reads, and its papers.
	names = [one.rfilename for one in files]
	skip = ["*.bin", "*.pth", "original/*"] if any(name.endswith(".safetensors") for name in names) else []
	total = sum(one.size or 0 for one in files)
	print(f"{repo}: {len(files)} files, {total // 1048576} MiB", flush=True)
	room = os.statvfs("/model")
	if total + (1 << 30) > room.f_bavail * room.f_frsize:
	    sys.exit(f"{repo} needs {total // 1048576} MiB and 1 GiB to spare, and {room.f_bavail * room.f_frsize // 1048576} MiB are free")
	done = threading.Event()
	def tell():
	    while not done.wait(5):
	        have = sum(os.path.getsize(os.path.join(at, name)) for at, _, inside in os.walk("/model") for name in inside)
	        print(f"{repo}: {have // 1048576} of {total // 1048576} MiB", flush=True)
	threading.Thread(target=tell, daemon=True).start()
	snapshot_download(repo, revision=revision, local_dir="/model", token=TOKEN, ignore_patterns=skip)
	done.set()
	wrong = []
	for one in files:
	    path = os.path.join("/model", one.rfilename)
	    if not os.path.exists(path):
	        continue
	    with open(path, "rb") as data:
	        if one.lfs:
	            got, want = hashlib.file_digest(data, "sha256").hexdigest(), one.lfs.sha256
	        else:
	            got, want = hashlib.sha1(b"blob %d\0" % os.path.getsize(path) + data.read()).hexdigest(), one.blob_id
	    if got != want:
	        wrong.append(f"{one.rfilename} has the checksum {got}, expected {want}")
	        os.remove(path)
	if wrong:
	    sys.exit("\n".join(wrong) + "\nThese files were thrown away, and nothing was replaced. Run the update again")
	print(f"{repo}: checked", flush=True)
	PYTHON
    ) || die "$4 cannot be fetched from $3. What is there of it stays, the next update goes on. Fix: look at repository and revision; for a gated model set hf_token"
  rm -rf "$part/.cache"
  chmod -R a+rX "$part"; sync -f "$part"; mv -T "$part" "$MODELS/$1"
}
hub_folder() { locked "$1" hub_snapshot "$@"; }

# The plan: "pull NAME [--insecure]" or "create NAME BYTES DIGEST" with so many bytes of a Modelfile after it.
# What is in the list of what this made, and no longer in the plan, is removed; models made by hand stay.
ollama() { # CONTAINER
  local id=$1 kept=$ROOT/$1.ollama line verb name bytes digest text have wanted=() service
  service=$(docker inspect -f '{{index .Config.Labels "ai-backend.service"}}' "$id")
  kept=$ROOT/$service/models.made
  install -d -m 751 "$ROOT/$service"; touch "$kept"
  have=$(docker exec "$id" ollama list | awk 'NR > 1 {print $1}')
  while IFS= read -r line; do
    read -r verb name bytes digest <<< "$line"
    case $verb in
      pull)
        wanted+=("$name")
        grep -qxF "$name -" "$kept" && grep -qxF "$(tagged "$name")" <<< "$have" && { echo "$name: there"; continue; }
        echo "$name: pulling"
        pull "$id" "$name" "$bytes"
        record "$kept" "$name" - ;;
      create)
        wanted+=("$name")
        text=$(head -c "$bytes"; echo .); text=${text%.}
        IFS= read -r line || true
        grep -qxF "$name $digest" "$kept" && grep -qxF "$(tagged "$name")" <<< "$have" && { echo "$name: there"; continue; }
        echo "$name: making it"
        printf %s "$text" | docker exec -i "$id" sh -c 'cat > /tmp/Modelfile && ollama create "$1" -f /tmp/Modelfile' sh "$name" 2>&1 | plain >&2 \
          || die "Ollama does not make $name from its Modelfile; its reason is above. Models that were there still answer"
        record "$kept" "$name" "$digest" ;;
      '') ;;
      *) die "the plan is damaged at: ${line:0:60}" ;;
    esac
  done
  while read -r name digest; do
    printf '%s\n' "${wanted[@]}" | grep -qxF "$name" && continue
    docker exec "$id" ollama rm "$name" > /dev/null 2>&1 && echo "$name: removed" || true
    grep -vxF "$name $digest" "$kept" > "$kept.new" || true; mv -f "$kept.new" "$kept"
  done < <(cat "$kept")
}
tagged() { [[ $1 == *:* ]] && echo "$1" || echo "$1:latest"; }
record() { { grep -v "^$2 " "$1" || true; echo "$2 $3"; } > "$1.new"; mv -f "$1.new" "$1"; }
# Without the escape sequences of a terminal, and a line only when it says something new.
plain() { tr '\r' '\n' | sed -E 's/\x1b\[[0-9;?]*[A-Za-z]//g; s/[⠀-⣿▕▏█ ]+/ /g; s/^ +| +$//g' | awk 'NF { key = $0; gsub(/[0-9.]+ ?[KMGT]?B(\/s)?|[0-9]+[ms]/, "", key) } NF && key != last { print; last = key; fflush() }'; }
pull() { # CONTAINER NAME [--insecure]
  local try
  for try in $(seq "$TRIES"); do
    docker exec "$1" ollama pull ${3:+"$3"} "$2" 2>&1 | plain && return 0      # Ollama goes on where it stopped, and checks
    echo "$2: broken off, going on"; sleep "$try"
  done
  die "$2 cannot be pulled: the reason is above. Fix: look at its name; what is there of it stays"
}

case ${1:-} in
  file|token|ollama) "$@" ;;
  hub-file) shift; hub_file "$@" ;;
  hub-folder) shift; hub_folder "$@" ;;
  *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
