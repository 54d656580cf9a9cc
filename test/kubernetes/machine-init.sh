#!/bin/bash
# Process 1 of a machine: gives it a file system view of its own, then adopts and reaps what others leave behind.
#
# usage: machine-init.sh FOLDER PROGRAMS HOSTNAME, with CGROUP_MOUNTS and JOIN_DAEMONS (shell lines) in the environment

set -eu
folder=$1 programs=$2 name=$3

hostname "$name"
# Pods' mounts are seen by the kubelet and the other way round, never outside the machine.
mount --make-rshared /
# Copies of other namespaces' mounts would keep those alive for as long as we run.
umount -R /run/netns 2>/dev/null || true

# A view of the kernel's own file systems that fits the namespaces.
mount -t proc proc /proc
umount -R -l /sys/fs/cgroup
mount -t sysfs sysfs /sys
mount -t bpf bpf /sys/fs/bpf 2>/dev/null || true
eval "$CGROUP_MOUNTS"
eval "$JOIN_DAEMONS"

# The kubelet wants these settings and writes them where they differ. They belong to the whole machine, so it gets
# files to look at instead.
settings=$folder/settings
mkdir -p "$settings"
for setting in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=$settings/${setting##*/}
  file=${file%=*}
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done

# Folders that a node writes to are its own; everything else of this machine can be read and not written.
mkdir -p "$folder"/{run,lib,log,tmp,opt} "$folder"/run/{bin,lock,netns}
chmod 1777 "$folder/tmp"
mount --bind "$programs" "$folder/run/bin"
mount --bind "$folder/log" /var/log
mount --bind "$folder/tmp" /tmp
mount --bind "$folder/opt" /opt
mount --rbind "$folder/run" /run
mount --bind "$folder/lib" /var/lib
# Last: a bind mount of something read-only would be read-only.
mount -o remount,ro,bind /

touch /run/machine-ready
trap : TERM INT HUP
while :; do sleep infinity & wait $!; done
