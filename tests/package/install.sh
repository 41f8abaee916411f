#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# install.sh GENERATOR RELEASE OLDER: in a Debian system with initramfs-tools or dracut and
# these kernels, install the packages of /cache/deb, look at what they do, and purge them.
# Prints "ok NAME" or "FAILED NAME" for each check.
set -uo pipefail

generator=$1 release=$2 older=$3
debs=/cache/deb
store=/etc/rust-pciback/devices.d
boot=/usr/libexec/rust-pciback/pciback-boot

# check NAME COMMAND...
check() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "ok $name"
	else
		echo "FAILED $name"
		printf '%s\n' "$output" | tail -n 30 | sed 's/^/    /'
	fi
}

# listing: all files but those that apt, dpkg and ldconfig write of their own. An initramfs is
# made again; what is in it is looked at elsewhere.
listing() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /src -o -path /cache \
		-o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/cache -o -path /var/log \
		-o -path /var/lib/systemd -o -path /var/tmp \) -prune -o -print | LC_ALL=C sort
}

# in_initrd RELEASE: what is in it.
in_initrd() {
	if [ "$generator" = dracut ]; then
		lsinitrd "/boot/initrd.img-$1" | awk '{ print $9 }'
	else
		lsinitramfs "/boot/initrd.img-$1"
	fi
}

# of_initrd RELEASE FILE: the content of a file.
of_initrd() {
	local dir rc
	if [ "$generator" = dracut ]; then
		lsinitrd -f "$2" "/boot/initrd.img-$1"
		return
	fi
	dir=$(mktemp -d)
	unmkinitramfs "/boot/initrd.img-$1" "$dir"
	cat "$dir/$2" "$dir/main/$2" 2>/dev/null
	rc=$?
	[ -e "$dir/$2" ] || [ -e "$dir/main/$2" ] && rc=0
	rm -rf "$dir"
	return "$rc"
}

has() { # has RELEASE PATTERN
	in_initrd "$1" >/tmp/listing
	grep -E "$2" /tmp/listing || { echo "no $2 in the initramfs of $1" && return 1; }
}

lacks() { # lacks RELEASE PATTERN
	! in_initrd "$1" | grep -E "$2"
}

# install DEB...: as a user would.
install() {
	apt-get install -y --no-install-recommends "$@" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log && return 1; }
}

deb() { # deb NAME: its file
	echo "$debs/$1"_*.deb
}

# has_tool: pcibackctl, what `make install-cli` puts beside it, and what it is linked with. These
# systems are without man pages and documents, so those are looked for in the package.
has_tool() {
	local file
	pcibackctl --version || return 1
	dpkg-deb --contents "$(deb rust-pciback)" >/tmp/contents || return 1
	for file in man/man8/pcibackctl.8.gz bash-completion/completions/pcibackctl \
		zsh/vendor-completions/_pcibackctl fish/vendor_completions.d/pcibackctl.fish \
		doc/rust-pciback/crates.gz; do
		grep " \./usr/share/$file\$" /tmp/contents || { echo "no /usr/share/$file" && return 1; }
	done
}

# before_udev: our script runs before the one that starts udev.
before_udev() {
	of_initrd "$release" scripts/init-top/ORDER | awk '
		/init-top\/rust-pciback / { ours = NR } /init-top\/udev / { udev = NR }
		{ print } END { exit !(ours && udev && ours < udev) }'
}

# resolves NAME: by that name modprobe would have our program load the module.
resolves() {
	modprobe -S "$release" -n -v "$1" | grep -F "$boot load"
}

# merged: what hide= of any name has, and the store, are claimed together.
merged() {
	local root=/tmp/machine bus
	rm -rf "$root"
	for bus in 01 02 03; do
		local path=sys/devices/pci0000:00/0000:00:$bus.0/0000:$bus:00.0
		mkdir -p "$root/$path" "$root/sys/bus/pci/devices"
		echo 0x8086 >"$root/$path/vendor"
		echo 0x10c9 >"$root/$path/device"
		echo 0x0c0330 >"$root/$path/class"
		ln -s "../../../../$path" "$root/sys/bus/pci/devices/0000:$bus:00.0"
	done
	mkdir -p "$root/proc" "$root/etc/modprobe.d" "$root/$store"
	echo 'quiet xen-pciback.hide=(0000:01:00.0)' >"$root/proc/cmdline"
	echo 'options xen-pciback hide=(02:00.0)' >"$root/etc/modprobe.d/mine.conf"
	echo 'address=0000:03:00.0' >"$root/$store/card.conf"
	"$boot" --root "$root" plan >/tmp/plan || { cat /tmp/plan && return 1; }
	for bus in 01 02 03; do
		grep "^claim 0000:$bus:00.0 " /tmp/plan || { cat /tmp/plan && return 1; }
	done
}

signed() {
	local key=/var/lib/dkms/mok.key cert=/var/lib/dkms/mok.pub module
	mkdir -p /var/lib/dkms
	openssl req -new -x509 -newkey rsa:2048 -nodes -sha256 -days 36500 -subj /CN=test/ -outform DER \
		-keyout "$key" -out "$cert" 2>/dev/null
	/usr/libexec/rust-pciback/sign-for-machine "$release" || return 1
	depmod -a "$release"
	module=/usr/lib/modules/$release/updates/rust_pciback.ko
	modinfo -k "$release" -n rust_pciback | grep updates || return 1
	modinfo "$module" | grep -i '^sig_hashalgo: *sha256' || return 1
	# The same bytes as the kernel's own program makes.
	cp "/usr/lib/modules/$release/extra/rust_pciback.ko" /tmp/theirs.ko
	"/cache/kernel/$release/build/scripts/sign-file" sha256 "$key" "$cert" /tmp/theirs.ko || return 1
	cmp /tmp/theirs.ko "$module"
}

# by_hand: a module that somebody put where the signed copy goes stays there.
by_hand() {
	local module=/usr/lib/modules/$release/updates/rust_pciback.ko ours=/tmp/ours.ko rc=0
	mv "$module" "$ours"
	cp "/usr/lib/modules/$release/extra/rust_pciback.ko" "$module"
	/usr/libexec/rust-pciback/sign-for-machine "$release" 2>&1 | grep 'is not of the package: it stays' || rc=1
	/usr/libexec/rust-pciback/sign-for-machine --remove "$release"
	cmp "/usr/lib/modules/$release/extra/rust_pciback.ko" "$module" || rc=1
	rm -f "$module"
	/usr/libexec/rust-pciback/sign-for-machine "$release" || rc=1
	cmp "$ours" "$module" || rc=1
	return "$rc"
}

# signed_elsewhere: keys in the other places: where update-secureboot-policy has one, and where DKMS is
# told to look.
signed_elsewhere() {
	local module=/usr/lib/modules/$release/updates/rust_pciback.ko ours=/tmp/ours.ko rc=0
	local dkms=/var/lib/dkms policy=/var/lib/shim-signed/mok told=/root/keys conf=/etc/dkms/framework.conf.d/key.conf
	cp "$module" "$ours"
	mkdir -p "$policy" "$told" "${conf%/*}"
	mv "$dkms/mok.key" "$policy/MOK.priv"
	mv "$dkms/mok.pub" "$policy/MOK.der"
	/usr/libexec/rust-pciback/sign-for-machine "$release" 2>&1 | grep "signed with $policy/MOK.priv" || rc=1
	cmp "$ours" "$module" || rc=1
	mv "$policy/MOK.priv" "$told/$release.key"
	mv "$policy/MOK.der" "$told/mok.pub"
	# shellcheck disable=SC2016 # DKMS expands it
	printf '%s\n' 'mok_signing_key="/root/keys/$kernelver.key"' "mok_certificate='$told/mok.pub'" >"$conf"
	/usr/libexec/rust-pciback/sign-for-machine "$release" 2>&1 | grep "signed with $told/$release.key" || rc=1
	cmp "$ours" "$module" || rc=1
	mv "$told/$release.key" "$dkms/mok.key"
	mv "$told/mok.pub" "$dkms/mok.pub"
	rm "$conf"
	rmdir -p --ignore-fail-on-non-empty "$policy" "$told" "${conf%/*}"
	return "$rc"
}

# warns: who configured devices is told that a kernel has no module when its initramfs is made.
warns() {
	echo 'options xen-pciback hide=(0000:03:00.0)' >/etc/modprobe.d/hide.conf
	update-initramfs -u -k "$release" >/tmp/update.log 2>&1
	rm /etc/modprobe.d/hide.conf
	grep "no module for $release, devices will not be claimed" /tmp/update.log || { cat /tmp/update.log && return 1; }
}

# keeps_c_driver: on a kernel without our module xen-pciback is what modprobe would load at last, and
# an initramfs that is to have it does.
keeps_c_driver() {
	modprobe -S "$release" -n -v --ignore-install xen-pciback | grep 'xen-pciback\.ko' || return 1
	echo xen-pciback >>/etc/initramfs-tools/modules
	update-initramfs -u -k "$release" >/dev/null 2>&1
	sed -i '/^xen-pciback$/d' /etc/initramfs-tools/modules
	has "$release" 'xen-pciback\.ko' && has "$release" 'modprobe\.d/rust-pciback\.conf'
}

# held: apt keeps a kernel back that is newer than the modules.
held() {
	local dir=/tmp/next version control rc=0 only
	mkdir -p "$dir/repository" "$dir/lists/partial"
	for version in 1-1 999-1; do
		mkdir -p "$dir/$version/DEBIAN"
		control=$(printf '%s\n' 'Package: linux-image-amd64' "Version: $version" 'Architecture: amd64' \
			'Maintainer: nobody <nobody@localhost>' 'Description: a kernel')
		echo "$control" >"$dir/$version/DEBIAN/control"
		dpkg-deb --build "$dir/$version" "$dir/repository/$version.deb" >/dev/null || return 1
	done
	printf '%s\n' "$control" 'Filename: ./999-1.deb' "Size: $(stat -c %s "$dir/repository/999-1.deb")" \
		"SHA256: $(sha256sum "$dir/repository/999-1.deb" | cut -d' ' -f1)" >"$dir/repository/Packages"
	echo "deb [trusted=yes] file:$dir/repository ./" >"$dir/next.list"
	only=(-o "Dir::Etc::SourceList=$dir/next.list" -o Dir::Etc::SourceParts=/nothing -o "Dir::State::Lists=$dir/lists")
	dpkg -i "$dir/repository/1-1.deb" && apt-get "${only[@]}" update && apt-get "${only[@]}" -s upgrade >"$dir/log" || rc=1
	cat "$dir/log"
	tr -s ' \n' ' ' <"$dir/log" | grep -iE 'kept back: linux-image-amd64|not upgrading: linux-image-amd64' || rc=1
	# Without the package it would come.
	apt-get "${only[@]}" -s install rust-pciback-modules-amd64- linux-image-amd64 | grep '^Inst linux-image-amd64 .*999-1' || rc=1
	dpkg --purge linux-image-amd64
	return "$rc"
}

refuses() { # the line of DKMS that says why, once
	[ "$(grep -c 'have no Rust metadata (rust/libkernel.rmeta), so no module is built' /tmp/apt.log)" = 1 ] ||
		{ cat /tmp/apt.log && return 1; }
}

# built: with metadata in place of the headers, DKMS builds it.
built() {
	rm -f "/lib/modules/$release/build"
	ln -s "/cache/kernel/$release/build" "/lib/modules/$release/build"
	dkms build -m rust-pciback -v "$(modinfo -k "$release" -F version rust_pciback)" -k "$release" || {
		tail -n 15 /var/lib/dkms/rust-pciback/*/build/make.log
		return 1
	}
}

configured() { # dpkg has nothing half done
	[ -z "$(dpkg --audit)" ]
}

# Few modules, for time: what is looked at is not theirs.
if [ "$generator" = dracut ]; then
	echo 'hostonly=no drivers="ext4 virtio_blk" compress="zstd -1 -q"' >/etc/dracut.conf.d/few.conf
else
	printf '%s\n' MODULES=list COMPRESS=zstd COMPRESSLEVEL=1 >/etc/initramfs-tools/conf.d/few
fi
listing >/tmp/before
if [ "$generator" = initramfs-tools ]; then
	check "the driver for one kernel installs" install "$(deb rust-pciback)" "$(deb "rust-pciback-modules-$older")"
	check "its initramfs has the module" has "$older" "extra/rust_pciback\.ko"
	check "the other's does not" lacks "$release" "rust_pciback\.ko"
	check "and that is told to who has hide= for xen-pciback" warns
	check "that keeps the C driver, in the initramfs too" keeps_c_driver
	start=$(date +%s%N)
	check "the newest kernel's comes with the meta package" install "$(deb "rust-pciback-modules-$release")" \
		"$(deb rust-pciback-modules-amd64)"
	echo "# installing took $((($(date +%s%N) - start) / 1000000)) ms"
	check "a kernel that there is no driver for yet is kept back" held
else
	start=$(date +%s%N)
	check "everything but DKMS installs" install "$(deb rust-pciback)" "$debs"/rust-pciback-modules-*.deb
	echo "# installing took $((($(date +%s%N) - start) / 1000000)) ms"
fi
for kernel in "$release" "$older"; do
	check "modinfo, $kernel" modinfo -k "$kernel" rust_pciback
	check "module in the initramfs of $kernel" has "$kernel" "extra/rust_pciback\.ko"
done
check "pcibackctl, its man page and completions" has_tool
check "program in the initramfs" has "$release" "libexec/rust-pciback/pciback-boot$"
check "modprobe's configuration in the initramfs" has "$release" "modprobe\.d/rust-pciback\.conf$"
check "record of what is in use in the initramfs" has "$release" "etc/rust-pciback/in-use$"
for name in xen-pciback xen_pciback rust_pciback pciback; do
	check "modprobe $name" resolves "$name"
done
check "hide= of every name and the store are merged" merged
check "a device that is configured" sh -c "echo address=0000:03:00.0 >$store/card.conf && /usr/libexec/rust-pciback/update-initrd"
check "its file in the initramfs" has "$release" "rust-pciback/devices.d/card\.conf$"
check "and in the older kernel's" has "$older" "rust-pciback/devices.d/card\.conf$"
if [ "$generator" = dracut ]; then
	check "claims before udev" has "$release" "hooks/pre-udev/.*claim\.sh$"
else
	check "claims before udev" before_udev
	check "signed with the key of the machine" signed
	check "a module that was built by hand stays" by_hand
	check "signed with a key in another place" signed_elsewhere
	start=$(date +%s%N)
	check "DKMS installs where no headers have metadata" install "$(deb rust-pciback-dkms)"
	echo "# that took $((($(date +%s%N) - start) / 1000000)) ms"
	check "and says so in one line" refuses
	check "and builds where they have" built
fi
check "all is configured" configured
check "installed once more" install --reinstall "$(deb rust-pciback)" "$debs"/rust-pciback-modules-*.deb
check "the initramfs still has it" has "$release" "rust_pciback\.ko"

check "apt remove" apt-get remove -y rust-pciback
check "nothing of it is in the way of xen-pciback" sh -c "modprobe -S $release -n -v xen-pciback | grep xen-pciback.ko"
check "the initramfs of the newest kernel has nothing of it" lacks "$release" "rust.pciback"
check "what was configured is still there" test -e "$store/card.conf"
check "apt purge" sh -c "apt-get purge -y 'rust-pciback*'"
rm -rf /var/lib/dkms/mok.*
rm -f "/lib/modules/$release/build"
listing >/tmp/after
check "purge leaves nothing" sh -c "diff /tmp/before /tmp/after | grep -E '^>' | grep -v /var/lib/dkms; test \$? = 1"
