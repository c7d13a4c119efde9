#!/usr/bin/env bash
# Several machines on one: each lab host is a systemd system with its own network,
# process, mount, UTS, IPC and cgroup namespaces, its own root file system (an overlay
# over one shared Debian tree), its own sshd and dockerd.
#
#   hosts.sh base               build the shared root file system (once)
#   hosts.sh up                 make the network, boot every host, wait until ready
#   hosts.sh down [--wipe]      stop every host, remove the network (and the data)
#   hosts.sh status             one line a host: NAME ADDRESS on|off LINK DOCKER CONTAINERS
#   hosts.sh boot HOST          boot one host (after cut or halt)
#   hosts.sh cut HOST           power cut: every process of the host dies at once
#   hosts.sh halt HOST          orderly shutdown
#   hosts.sh link HOST up|down  plug or unplug the host's network cable
#   hosts.sh ssh HOST CMD...    run a command in the host over ssh
#   hosts.sh sh HOST CMD...     run a command in the host, past the network
#
# Settings (environment):
#   LAB     folder of the lab's keys and disks                  default $PWD/.lab
#   ROOTFS  the shared Debian tree                              default $LAB/rootfs
#   TAG     prefix of namespace, link and cgroup names, at most 8 characters (default ab)
#   NET     the first three octets of the /24; .1 is this machine (default 10.88.0)
#   HOSTS   "name:last-octet ..."                               default three hosts
#   WAIT_S  how long a host may take to become ready, seconds   default 60
#
# Two labs run side by side when LAB, TAG and NET differ. Needs root and the Debian
# packages mmdebstrap iproute2 openssh-client util-linux. What such a host cannot do:
# --privileged containers and nofile limits above the machine's own, where the machine
# itself lacks CAP_SYS_RESOURCE.
set -euo pipefail

LAB=${LAB:-$PWD/.lab}
TAG=${TAG:-ab}                     # prefix of netns, veth and cgroup names
BRIDGE=${BRIDGE:-${TAG}br0}
NET=${NET:-10.88.0}                # /24; .1 is this machine
HOSTS=${HOSTS:-"gateway:10 observability:11 gpu1:12"}
WAIT_S=${WAIT_S:-60}
SUITE=bookworm
PACKAGES=systemd-sysv,dbus,dbus-user-session,libpam-systemd,openssh-server,docker.io,iptables,iproute2,ca-certificates,curl,procps,sudo,iputils-ping,socat

ROOTFS=${ROOTFS:-$LAB/rootfs}
KEY=$LAB/id_ed25519
KNOWN=$LAB/known_hosts
SELF=$(readlink -f "$0")

die() { echo "lab hosts: $*" >&2; exit 1; }
names() { local h; for h in $HOSTS; do echo "${h%%:*}"; done; }
addr_of() {
  local h
  for h in $HOSTS; do [ "${h%%:*}" = "$1" ] && { echo "$NET.${h##*:}"; return; }; done
  die "no host named $1 (have: $(names | xargs))"
}
# The name of a host's cable: by its octet, since a link's name holds 15 characters.
link_of() { local ip; ip=$(addr_of "$1"); echo "$TAG-${ip##*.}"; }
# The host's own pid 1, as this machine numbers it; fails when it is off.
pid_of() {
  local up child
  up=$(cat "$LAB/hosts/$1/launcher.pid" 2>/dev/null) || return 1
  child=$(cat "/proc/$up/task/$up/children" 2>/dev/null) || return 1
  child=${child%% *}
  # A recycled pid must not pass: ask that it is in another pid namespace.
  [ -n "$child" ] && [ "$(readlink "/proc/$child/ns/pid")" != "$(readlink /proc/self/ns/pid)" ] || return 1
  echo "$child"
}
cgroup_mounts() { # MOUNTPOINT TYPE OPTIONS for each mounted hierarchy
  awk '$3 == "cgroup" || $3 == "cgroup2" { print $2, $3, $4 }' /proc/self/mounts | grep ' cgroup2\| cgroup '
}

base() {
  [ -e "$ROOTFS/.lab-ready" ] && return
  mkdir -p "$LAB"; rm -rf "$ROOTFS" "$ROOTFS.new"
  local final=$ROOTFS ROOTFS=$ROOTFS.new      # renamed when whole: a killed build leaves nothing half-made in use
  mmdebstrap --quiet --mode=root --variant=minbase --include="$PACKAGES" \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$SUITE" "$ROOTFS"
  rm -f "$ROOTFS"/etc/ssh/ssh_host_* "$ROOTFS/etc/machine-id" "$ROOTFS/var/lib/dbus/machine-id"
  # Units that would act on the machine underneath, or that have nothing to do.
  local u
  for u in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket \
    systemd-udevd-control.socket systemd-sysctl.service systemd-modules-load.service \
    systemd-remount-fs.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
    getty.target console-getty.service apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer fstrim.timer systemd-timesyncd.service; do
    ln -sfn /dev/null "$ROOTFS/etc/systemd/system/$u"
  done
  ln -sfn /lib/systemd/system/multi-user.target "$ROOTFS/etc/systemd/system/default.target"
  cat > "$ROOTFS/etc/ssh/sshd_config" <<-'CONF'
	HostKey /etc/ssh/ssh_host_ed25519_key
	PermitRootLogin prohibit-password
	PasswordAuthentication no
	KbdInteractiveAuthentication no
	UsePAM yes
	UseDNS no
	AcceptEnv LANG LC_*
	MaxStartups 100
	MaxSessions 100
	Subsystem sftp /usr/lib/openssh/sftp-server
	CONF
  touch "$ROOTFS/etc/default/locale" "$ROOTFS/.lab-ready"
  mv "$ROOTFS" "$final"
}

# Lays down a host's own files, once; they outlive a power cut.
prepare() {
  local n=$1 ip h d up k
  ip=$(addr_of "$n"); d=$LAB/hosts/$n; up=$d/upper
  [ -e "$d/.prepared" ] && return
  mkdir -p "$up"/etc/{ssh,docker} "$up/root/.ssh" "$d"/{work,merged,docker,containerd}
  chmod 700 "$up/root" "$up/root/.ssh"
  ssh-keygen -q -t ed25519 -N '' -C "$n" -f "$up/etc/ssh/ssh_host_ed25519_key"
  cp "$KEY.pub" "$up/root/.ssh/authorized_keys"; chmod 600 "$up/root/.ssh/authorized_keys"
  echo "$n" > "$up/etc/hostname"
  { echo "127.0.0.1 localhost"; for h in $HOSTS; do echo "$NET.${h##*:} ${h%%:*}"; done; } > "$up/etc/hosts"
  : > "$up/etc/resolv.conf"
  tr -d - < /proc/sys/kernel/random/uuid > "$up/etc/machine-id"
  cat > "$up/etc/docker/daemon.json" <<-CONF
	{ "storage-driver": "overlay2", "log-driver": "json-file",
	  "insecure-registries": ["$NET.1:5000"] }
	CONF
  read -r k < "$up/etc/ssh/ssh_host_ed25519_key.pub"
  echo "$ip ${k% *}" >> "$KNOWN"
  touch "$d/.prepared"
}

bridge_up() {
  ip link show "$BRIDGE" >/dev/null 2>&1 && return
  ip link add "$BRIDGE" type bridge
  ip addr add "$NET.1/24" dev "$BRIDGE"
  ip link set "$BRIDGE" up
}
# A host's network namespace lives as long as the host is on: with the power go its
# addresses, docker's bridges and its firewall rules, and nothing answers any more.
plug() {
  local n=$1 ns=$TAG-$1 ip mac cable
  cable=$(link_of "$n")
  ip=$(addr_of "$n"); printf -v mac '02:88:00:00:00:%02x' "${ip##*.}"
  unplug "$n"
  ip netns add "$ns"
  ip link add "$cable" type veth peer name eth0 netns "$ns" address "$mac"
  ip link set "$cable" master "$BRIDGE" up
  ip -n "$ns" link set lo up
  ip -n "$ns" addr add "$ip/24" dev eth0
  ip -n "$ns" link set eth0 up          # no default route: nothing leaves the lab
}
unplug() {
  ip link del "$(link_of "$1")" 2>/dev/null || true
  [ ! -e "/run/netns/$TAG-$1" ] || ip netns del "$TAG-$1"
}

boot() {
  local n=$1 m t o
  addr_of "$n" >/dev/null
  pid_of "$n" >/dev/null && die "$n is already on"
  prepare "$n"
  plug "$n"
  (
    # Into a cgroup of its own in each hierarchy, so that the host sees it as the root.
    while read -r m t o; do
      mkdir -p "$m/$TAG/$n"
      if [ -e "$m/$TAG/cpuset.cpus" ]; then
        cat "$m/cpuset.cpus" > "$m/$TAG/cpuset.cpus"; cat "$m/cpuset.mems" > "$m/$TAG/cpuset.mems"
        cat "$m/cpuset.cpus" > "$m/$TAG/$n/cpuset.cpus"; cat "$m/cpuset.mems" > "$m/$TAG/$n/cpuset.mems"
      fi
      echo "$BASHPID" > "$m/$TAG/$n/cgroup.procs"
    done < <(cgroup_mounts)
    echo "$BASHPID" > "$LAB/hosts/$n/launcher.pid"
    exec setsid nsenter --net="/run/netns/$TAG-$n" \
      unshare --mount --uts --ipc --pid --cgroup --fork --kill-child --propagation private \
      env LAB="$LAB" ROOTFS="$ROOTFS" TAG="$TAG" HOSTS="$HOSTS" NET="$NET" bash "$SELF" __init "$n" \
      < /dev/null > "$LAB/hosts/$n/console.log" 2>&1
  ) &
  disown
}

# Pid 1 of a host, before systemd: builds the root and moves into it.
init() {
  local n=$1 d=$LAB/hosts/$1 r m t o c l
  r=$d/merged
  l=$(cgroup_mounts)
  hostname "$n"
  mount -t overlay overlay -o "lowerdir=$ROOTFS,upperdir=$d/upper,workdir=$d/work" "$r"
  mkdir -p "$r"/var/lib/{docker,containerd} "$r/.old"
  mount --bind "$d/docker" "$r/var/lib/docker"          # overlay2 needs a real fs below
  mount --bind "$d/containerd" "$r/var/lib/containerd"
  mount -t proc proc "$r/proc"
  mount -t sysfs sysfs "$r/sys"
  mount -t tmpfs -o mode=755 tmpfs "$r/dev"
  mkdir "$r"/dev/{pts,shm,mqueue,net}
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$r/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$r/dev/shm"
  ln -s pts/ptmx "$r/dev/ptmx"; ln -s /proc/self/fd "$r/dev/fd"
  for o in stdin:0 stdout:1 stderr:2; do ln -s "/proc/self/fd/${o#*:}" "$r/dev/${o%:*}"; done
  for o in null zero full random urandom tty; do touch "$r/dev/$o"; mount --bind "/dev/$o" "$r/dev/$o"; done
  touch "$r/dev/console"; mount --bind /dev/null "$r/dev/console"
  mount -t tmpfs -o mode=755 tmpfs "$r/run"; mkdir "$r/run/lock"
  cat /proc/sys/kernel/random/uuid > "$r/run/boot_id"   # else each boot shares this machine's
  mount --bind "$r/run/boot_id" "$r/proc/sys/kernel/random/boot_id"
  mount -t tmpfs -o mode=1777 tmpfs "$r/tmp"
  if grep -q ' cgroup ' <<< "$l"; then                 # v1 or hybrid: one mount each
    mount -t tmpfs -o mode=755 tmpfs "$r/sys/fs/cgroup"
  fi
  while read -r m t o; do
    c=$r$m; mkdir -p "$c"
    o=$(tr , '\n' <<< "$o" | sed '/^\(r[wo]\|relatime\|noatime\|nosuid\|nodev\|noexec\|nsdelegate\)$/d' | paste -sd,)
    case $t:$o in
      cgroup2:*) mount -t cgroup2 cgroup2 "$c" ;;
      *name=*)   mount -t cgroup -o "none,$o" cgroup "$c" ;;
      *)         mount -t cgroup -o "$o" cgroup "$c" ;;
    esac
  done <<< "$l"
  cd "$r"
  pivot_root . .old
  exec chroot . /usr/bin/env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /bin/sh -c 'umount -l /.old; exec /sbin/init --log-target=journal --show-status=no' < /dev/null
}

# What an ssh client here needs.
client() {
  cat > "$LAB/ssh_config" <<-CONF
	Host $NET.*
	  User root
	  IdentityFile $KEY
	  IdentitiesOnly yes
	  UserKnownHostsFile $KNOWN
	  StrictHostKeyChecking yes
	  BatchMode yes
	  ConnectTimeout 2
	CONF
}
ssh_to() {
  local n=$1; shift
  ssh -F "$LAB/ssh_config" "$(addr_of "$n")" "$@"
}
wait_ready() {
  local n=$1 end=$((SECONDS + WAIT_S))
  until ssh_to "$n" docker info --format '{{.Name}}' >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "$n is not ready after ${WAIT_S}s: see $LAB/hosts/$n/console.log"
    sleep 0.2
  done
}
gone() { # waits until the host's processes and their cgroups are gone
  local n=$1 m t o i
  for i in $(seq 100); do pid_of "$n" >/dev/null || break; sleep 0.1; done
  pid_of "$n" >/dev/null && die "$n did not stop"
  while read -r m t o; do
    for i in $(seq 50); do
      [ -d "$m/$TAG/$n" ] || break
      find "$m/$TAG/$n" -depth -type d -exec rmdir {} + 2>/dev/null && break; sleep 0.1
    done
  done < <(cgroup_mounts)
  rm -f "$LAB/hosts/$n/launcher.pid"
  unplug "$n"
}
cut() { local p; p=$(pid_of "$1") || die "$1 is off"; kill -9 "$p"; gone "$1"; }
halt() {
  local p; p=$(pid_of "$1") || die "$1 is off"
  kill -RTMIN+3 "$p" 2>/dev/null || kill -37 "$p"       # systemd: halt.target
  gone "$1"
}

# Every host's systemd and dockerd watch files, and all of root's watches count together.
room_for_watches() {
  local f=/proc/sys/fs/inotify/max_user_instances want
  want=$((256 + 32 * $(wc -w <<< "$HOSTS")))
  [ "$(cat $f)" -ge "$want" ] || echo "$want" > $f || echo "lab hosts: $f is low; with many hosts some may not start" >&2
}

up() {
  local n
  base
  room_for_watches
  [ -e "$KEY" ] || ssh-keygen -q -t ed25519 -N '' -C lab -f "$KEY"
  touch "$KNOWN"
  client
  bridge_up
  for n in $(names); do pid_of "$n" >/dev/null || boot "$n"; done
  for n in $(names); do wait_ready "$n"; done
}
down() {
  local n m t o
  for n in $(names); do
    if pid_of "$n" >/dev/null; then cut "$n"; else unplug "$n"; fi
  done
  ip link del "$BRIDGE" 2>/dev/null || true
  while read -r m t o; do rmdir "$m/$TAG" 2>/dev/null || true; done < <(cgroup_mounts)
  [ "${1:-}" = --wipe ] && rm -rf "$LAB/hosts" "$KNOWN"
  return 0
}
status() {
  local n link d
  for n in $(names); do
    link=$(ip -br link show "$(link_of "$n")" 2>/dev/null | awk '{print $2}')
    if pid_of "$n" >/dev/null; then
      d=$(ssh_to "$n" docker info --format "'{{.ServerVersion}} {{.ContainersRunning}}'" 2>/dev/null) || d='- -'
      echo "$n $(addr_of "$n") on ${link:-none} $d"
    else
      echo "$n $(addr_of "$n") off ${link:-none} - -"
    fi
  done
}
inside() {
  local n=$1 p; shift
  p=$(pid_of "$n") || die "$n is off"
  nsenter -t "$p" --mount --uts --ipc --net --pid --cgroup --root --wd -- "$@"
}

[ "$(id -u)" = 0 ] || die "must be root"
case ${1:-} in
  base|up|down|status) "$@" ;;
  boot) boot "$2"; wait_ready "$2" ;;
  cut|halt) "$1" "$2" ;;
  link) ip link set "$(link_of "$2")" "$3" ;;
  sh) shift; inside "$@" ;;
  ssh) shift; ssh_to "$@" ;;
  __init) init "$2" ;;
  *) sed -n '2,32s/^# \{0,1\}//p' "$SELF"; exit 2 ;;
esac
