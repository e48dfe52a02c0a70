#!/bin/sh
# The first process of the guest kernel. It lays a memory file system over this machine's files, which the guest sees and cannot
# change, runs the script in $guest/command in there, and leaves its exit status in $guest/status.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
mount -t proc none /proc
insmod "/usr/lib/uml/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko"
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work none /mnt/root
cd /mnt/root || exit
mkdir -p lib/modules mnt
ln -s "/usr/lib/uml/modules/$(uname -r)" lib/modules/
mount -t proc none proc
mount -t sysfs none sys
mount -t devtmpfs none dev
mkdir -p dev/shm dev/pts
mount -t tmpfs none dev/shm
mount -t devpts none dev/pts
mount -t tmpfs none run
mkdir -p ".$guest"
mount -t hostfs -o "$guest" none ".$guest"
# This kernel has no nftables for IP: iptables is the legacy one.
for name in iptables ip6tables; do
  for tail in "" -save -restore; do ln -sf "/usr/sbin/$name-legacy$tail" "etc/alternatives/$name$tail"; done
done
pivot_root . mnt
exec chroot . /bin/sh -c 'sysctl -qw kernel.printk=1; ip link set lo up; LANG=C.UTF-8 sh "$guest/command" >"$guest/output" 2>&1; echo $? > "$guest/status"; sync; halt -f' </dev/null
