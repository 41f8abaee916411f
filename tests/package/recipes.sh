#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Run what of the recipes for other distributions Debian's tools can run: the parts that
# build have stubs, those that put files together are real.
set -euo pipefail

version=$(dpkg-parsechangelog -S Version)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$work/rust-pciback-$version
mkdir -p "$source"
tar -c --exclude=./.git --exclude=./debian --exclude='*.o' --exclude='*.ko' --exclude=target . | tar -x -C "$source"
# What cargo and the kernel's build system would make.
stub=$work/stub
mkdir -p "$stub"
cat >"$stub/cargo" <<-'END'
	#!/bin/sh
	mkdir -p ../boot/target/release
	cp /bin/true ../boot/target/release/pciback-boot
END
chmod +x "$stub/cargo"
export PATH=$stub:$PATH
tar -c -z -C "$work" -f "$work/rust-pciback-$version.tar.gz" "rust-pciback-$version"


echo "== Arch: makepkg"
mkdir "$work/arch"
cp packaging/arch/* "$work/rust-pciback-$version.tar.gz" "$work/arch"
chown -R nobody "$work"
chmod 755 "$work"
(
	cd "$work/arch"
	run() { setpriv --reuid=nobody --clear-groups env HOME="$work" PATH="$PATH" "$@"; }
	# Debian's makepkg asks for a configuration that only Arch has.
	cat >"$work/makepkg.conf" <<-'END'
		CARCH=x86_64
		CHOST=x86_64-pc-linux-gnu
		PKGEXT=.pkg.tar
		SRCEXT=.src.tar
		BUILDENV=(!distcc !color !ccache !check !sign)
		OPTIONS=(!strip docs !libtool !staticlibs emptydirs !zipman !purge !debug !lto)
		INTEGRITY_CHECK=(sha256)
		DLAGENTS=()
		VCSCLIENTS=()
	END
	run makepkg --config "$work/makepkg.conf" --printsrcinfo | grep -c pkgname
	run makepkg --config "$work/makepkg.conf" --nodeps --skipinteg
	for archive in *.pkg.tar; do tar -t -f "$archive" >"$archive.list"; done
	for file in usr/lib/modprobe.d/rust-pciback.conf usr/lib/dracut/modules.d/90rust-pciback/module-setup.sh \
		usr/libexec/rust-pciback/pciback-boot usr/libexec/rust-pciback/tests/lib/ktap.sh; do
		grep -qx "$file" "rust-pciback-$version-1-x86_64.pkg.tar.list" || { echo "no $file" && exit 1; }
	done
	for file in Kbuild dkms.conf rust_pciback.rs kapi/layout.c pure/sbdf.rs; do
		grep -qx "usr/src/rust-pciback-$version/$file" "rust-pciback-dkms-$version-1-x86_64.pkg.tar.list" ||
			{ echo "no $file" && exit 1; }
	done
)

echo "== Fedora, Qubes OS: rpmspec, rpmlint, rpmbuild"
spec=packaging/fedora/rust-pciback.spec
define=(--define "kernel_release 7.2.0-1.fc43.x86_64" --define "_topdir $work/rpm")
rpmspec "${define[@]}" -P "$spec" >/dev/null
# rpmlint takes no definitions; this machine's kernel may have a name that rpm doesn't allow.
echo "%kernel_release 7.2.0-1.fc43.x86_64" >"$work/.rpmmacros"
HOME=$work rpmlint --strict --rpmlintrc "${spec%.spec}.rpmlintrc" "$spec"
mkdir -p "$work/rpm/SOURCES"
cp "$work/rust-pciback-$version.tar.gz" "$work/rpm/SOURCES"
# The module is what its build would make: any ELF file.
cat >"$stub/make" <<-'END'
	#!/bin/sh
	case "$*" in
	*KDIR=*) cp /bin/true rust_pciback.ko ;;
	*) exec /usr/bin/make "$@" ;;
	esac
END
chmod +x "$stub/make"
rpmbuild "${define[@]}" --nodeps -bb "$spec"
find "$work/rpm/RPMS" -name '*.rpm' | while read -r package; do
	rpm -qlp "$package"
done >"$work/rpm.list"
for file in /usr/lib/modprobe.d/rust-pciback.conf /usr/libexec/rust-pciback/pciback-boot /usr/libexec/rust-pciback/tests/run \
	/usr/lib/modules/7.2.0-1.fc43.x86_64/extra/rust_pciback.ko; do
	grep -qx "$file" "$work/rpm.list" || { echo "no $file in the packages" && exit 1; }
done
