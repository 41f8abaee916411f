# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How a step on the host has cargo of the chroot fetch from crates.io: the way that the host's cargo
# is told to (proxy, mirror, certificates). Source it after lab.sh.

# cargo_home FOLDER: make FOLDER of the cache, with a home for cargo in it; `inner` is then what
# `env` in the chroot needs before `cargo ...`. Versions that are not locked are the newest that its
# rustc can build.
cargo_home() {
	local folder=$LAB_CACHE/$1 cainfo=${CARGO_HTTP_CAINFO:-} config read_config
	rm -rf "$folder"
	mkdir -p "$folder/home"
	inner=(-u CARGO_HTTP_CAINFO CARGO_HOME="/cache/$1/home" CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback)

	# The host's configuration.
	for config in "${CARGO_HOME:-${HOME:-/root}/.cargo}"/config{.toml,}; do
		[ -f "$config" ] || continue
		cp "$config" "$folder/host.toml"
		read_config=("$LAB_REPO/tools/in-lab" python3 tools/steps/cargo_config.py "/cache/$1/host.toml")
		"${read_config[@]}" >"$folder/home/config.toml" || stop "cargo's configuration $config cannot be read"
		[ -n "$cainfo" ] || cainfo=$("${read_config[@]}" cainfo)
		rm "$folder/host.toml"
		break
	done

	# Certificates: those that it names, else the host's (tools/steps/root).
	if [ -n "$cainfo" ] && [ -s "$cainfo" ]; then
		cp "$cainfo" "$folder/ca.crt"
		inner+=(CARGO_HTTP_CAINFO="/cache/$1/ca.crt")
	elif [ -s "$LAB_ROOT/etc/ssl/certs/host.crt" ]; then
		inner+=(CARGO_HTTP_CAINFO=/etc/ssl/certs/host.crt)
	fi
}
