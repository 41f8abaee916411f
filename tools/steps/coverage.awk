# SPDX-License-Identifier: GPL-2.0
#
# coverage.awk -v root=REGEX -v short=TEXT -v parts=REGEX -v least=PERCENT: what `llvm-cov show
# -show-branches=count` says, as a line for each file, then each line and branch that nothing went through.
# What files' names begin with, `root`, is shown as `short`; `parts` says which of the files count. What is
# compiled for tests only doesn't. Fails below so many of 100 lines or branches. Generic code is there once for
# each type: a branch counts as taken if any of them took it.
/^\/.*\.rs:$/ {
	name = substr($0, 1, length($0) - 1)
	sub(root, short, name)
	counts = name ~ parts && name !~ /_tests\.rs$/
}
counts && /^ *[0-9]+\|/ {
	text = substr($0, length($1 $2) + 3)
	if (text == "#[cfg(test)]") # what follows is for tests only
		counts = 0
	else if ($2 ~ /[0-9]/)
		enter("lines", $1 + 0, $2 != 0)
}
counts && /Branch \([0-9:]+\): \[True: / {
	split($0, part, /[(): ,[\]]+/) # "|", "Branch", line, column, "True", count, "False", count
	enter("branches", part[4] + 0 ":" part[5] + 0 " if", part[7] != "0")
	enter("branches", part[4] + 0 ":" part[5] + 0 " else", part[9] != "0")
}
function enter(kind, place, taken) {
	place = name ":" place
	if (!((kind, place) in hit)) {
		hit[kind, place] = 0
		all[kind, name]++
		all[kind]++
		order[++places] = kind SUBSEP place SUBSEP name SUBSEP text
		names[name]
	}
	if (taken && !hit[kind, place]) {
		hit[kind, place] = 1
		taken_in[kind, name]++
		taken_in[kind]++
	}
}
function share(kind) {
	return all[kind] ? 100 * taken_in[kind] / all[kind] : 0
}
END {
	printf "%-32s %14s %14s\n", "", "lines", "branches"
	fflush()
	for (name in names)
		printf "%-32s %5d of %5d %5d of %5d\n", name, taken_in["lines", name], all["lines", name],
			taken_in["branches", name], all["branches", name] | "sort"
	close("sort")
	print "\nnone goes through:"
	for (i = 1; i <= places; i++) {
		split(order[i], one, SUBSEP)
		if (!hit[one[1], one[2]])
			printf "%s: %s\n", one[2], one[4]
	}
	printf "\n%d of %d lines (%.1f %%), %d of %d branches (%.1f %%)\n", taken_in["lines"], all["lines"],
		share("lines"), taken_in["branches"], all["branches"], share("branches")
	exit share("lines") < least || share("branches") < least
}
