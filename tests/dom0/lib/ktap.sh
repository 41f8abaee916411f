# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# KTAP for shell tests, in the manner of kselftest. POSIX sh, busybox and dash included (whose
# `echo` reads escapes).
# Source it, say `plan N` (or nothing, and the plan comes at the end), then one of
# `ok`, `not_ok`, `skip` or `check` for each result, and `finish` as the last act.
#
#   . "$(dirname "$0")/lib/ktap.sh"
#   check "the module is there" test -d /sys/module/rust_pciback
#   finish

KTAP_PLAN=
KTAP_COUNT=0
KTAP_FAILED=0
KTAP_SKIPPED=0
echo "KTAP version 1"

# plan N: how many results there will be.
plan() {
	KTAP_PLAN=$1
	echo "1..$1"
}

# diag TEXT: a line for people.
diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

# figure TEXT: what a report about the tests is to quote, as how much was tried.
figure() {
	diag "figure: $*"
}

# ok NAME
ok() {
	KTAP_COUNT=$((KTAP_COUNT + 1))
	printf '%s\n' "ok $KTAP_COUNT $1"
}

# not_ok NAME [WHY]
not_ok() {
	KTAP_COUNT=$((KTAP_COUNT + 1))
	KTAP_FAILED=$((KTAP_FAILED + 1))
	[ -z "${2:-}" ] || diag "$2"
	printf '%s\n' "not ok $KTAP_COUNT $1"
}

# skip NAME WHY
skip() {
	KTAP_COUNT=$((KTAP_COUNT + 1))
	KTAP_SKIPPED=$((KTAP_SKIPPED + 1))
	printf '%s\n' "ok $KTAP_COUNT $1 # SKIP $2"
}

# skip_all WHY: nothing here can be tested; ends the script.
skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

# bail WHY: going on makes no sense; ends the script.
bail() {
	echo "Bail out! $1"
	exit 1
}

# check NAME COMMAND...: a result by a command's status; its output tells why.
check() {
	ktap_name=$1
	shift
	if ktap_out=$("$@" 2>&1); then
		ok "$ktap_name"
	else
		not_ok "$ktap_name" "status $? of: $*${ktap_out:+
$ktap_out}"
	fi
}

# check_fails NAME COMMAND...: the command must fail.
check_fails() {
	ktap_name=$1
	shift
	if ktap_out=$("$@" 2>&1); then
		not_ok "$ktap_name" "should have failed: $*${ktap_out:+
$ktap_out}"
	else
		ok "$ktap_name"
	fi
}

# same NAME EXPECTED ACTUAL: two texts must be equal.
same() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "expected: $2
actual:   $3"
	fi
}

# finish: the plan if there was none, a summary, and the exit status.
finish() {
	[ -n "$KTAP_PLAN" ] || echo "1..$KTAP_COUNT"
	diag "$((KTAP_COUNT - KTAP_FAILED - KTAP_SKIPPED)) passed, $KTAP_FAILED failed, $KTAP_SKIPPED skipped"
	[ "$KTAP_FAILED" -eq 0 ] && [ "${KTAP_PLAN:-$KTAP_COUNT}" -eq "$KTAP_COUNT" ]
	exit
}
