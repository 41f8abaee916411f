# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # $PCI and $tmp from whoever sources this
#
# What a report of a machine doesn't say of it. Whoever sources this may use the directory $tmp.

# public: a text without hardware addresses, serial numbers and asset tags. Of the Vital Product Data, as
# lspci writes it, only the part number stays: the other fields are each vendor's, and may hold
# anything.
public() {
	for file in "$PCI"/*/nvme/nvme*/serial; do
		[ ! -e "$file" ] || sed -n 's/ *$//; s,[][\\/.*^$],\\&,g; s,..*,s/&/SERIAL/g,p' "$file"
	done >"$tmp/serials"
	sed -E 's/([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}/xx:xx:xx:xx:xx:xx/g' |
		sed -E '/[Ss]erial [Nn]umber|[Aa]sset [Tt]ag/d; /^[[:space:]]*\[PN\]/b; /^[[:space:]]*\[[A-Z][A-Z0-9]\]/d' |
		sed -f "$tmp/serials"
}
