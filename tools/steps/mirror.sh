# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Which Debian mirror to use: the one the host already uses. A step that wants another suite
# sets SUITE after it sourced this.

SUITE=trixie

# mirror_of LABEL: the first plain http(s) mirror of the host's apt that carries
# the archive with this label (Debian, Debian-Security), if there is one.
mirror_of() {
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -nE "s,^Debian\|$1\|(https?://.*[^/])/?\$,\1,p" | head -n 1
}

# suite_sources: sources.list lines for mmdebstrap, none to leave it the choice.
suite_sources() {
	local main security
	main=$(mirror_of Debian)
	[ -n "$main" ] || return 0
	printf 'deb %s %s main\n' "$main" "$SUITE"
	[ "$SUITE" != sid ] || return 0 # no updates, no security: it is updated itself
	printf 'deb %s %s main\n' "$main" "$SUITE-updates"
	security=$(mirror_of Debian-Security)
	[ -z "$security" ] || printf 'deb %s %s main\n' "$security" "$SUITE-security"
}

# debootstrap_suite TARGET OPTION...: make a minimal root of the suite at TARGET.
debootstrap_suite() {
	local target=$1 sources=() proxy
	shift
	mapfile -t sources < <(suite_sources)
	proxy=$(apt-config dump Acquire::http::Proxy | sed -nE 's/.* "(.+)";/\1/p' | head -n 1)
	[ -z "$proxy" ] || set -- "$@" --aptopt="Acquire::http::Proxy \"$proxy\""
	mmdebstrap --mode=root --variant=minbase --skip=output/mknod \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		--aptopt='Apt::Install-Recommends "false"' \
		--aptopt='Acquire::Retries "3"' \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-include=/usr/share/doc/*/copyright' \
		"$@" "$SUITE" "$target" "${sources[@]}"
}
