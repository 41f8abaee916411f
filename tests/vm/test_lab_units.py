# SPDX-License-Identifier: GPL-2.0
"""The harness's pure parts: reading logs and KTAP. No machine is started."""

import pytest
from conftest import name_cause
from lab import klog, ktap
from lab.leaks import unexpected
from lab.parts import Parts
from lab.topology import TOPOLOGIES, topology

WARNING = """\
[   10.0] pci 0000:01:00.0: fine
[   11.0] ------------[ cut here ]------------
[   11.0] WARNING: drivers/pci/pci.c:42 at pci_thing+0x1/0x2, CPU#0: sh/1
[   11.0] Modules linked in: rust_pciback
[   11.0] Call Trace:
[   11.0]  <TASK>
[   11.0] ---[ end trace 0000000000000000 ]---
[   12.0] pci 0000:01:00.0: fine again
""".splitlines()

LOCKDEP = """\
[   11.0] BUG: sleeping function called from invalid context at kernel/locking/mutex.c:1
[   11.0] Call Trace:
[   11.0]  <TASK>
[   11.0]  dump_stack+0x1/0x2
[   11.0]  </TASK>
[   11.5] BUG: another
""".splitlines()


def test_quiet_log() -> None:
    """Ordinary lines are not reports."""
    lines = ["[ 1.0] pciback 0000:01:00.0: seized", "(XEN) Dom0 has maximum 1 VCPUs", "", "DEBUG: x", "nobody"]
    assert klog.reports(lines) == []


DEATH = "(XEN) Hardware Dom0 crashed: 'noreboot' set - not rebooting."


def test_the_emulators_own_death() -> None:
    """An interrupt in the handler of an interrupt that has not begun; in one that has, it is not that."""
    twice = "[  2.0] RIP: 0010:asm_sysvec_xen_hvm_callback+0x0/0x20"
    later = "[  2.0] RIP: 0010:asm_sysvec_xen_hvm_callback+0x1a/0x20"
    assert klog.cause_of_death([*LOCKDEP, twice], DEATH) == klog.DELIVERED_TWICE
    assert klog.cause_of_death([*LOCKDEP, later], DEATH) == DEATH


def test_which_tests_are_run_again(pytestconfig: pytest.Config) -> None:
    """Those that the emulator ended, once."""
    assert pytestconfig.getoption("reruns") == 1
    assert pytestconfig.getoption("only_rerun") == [klog.DELIVERED_TWICE]


@pytest.mark.parametrize("why", [klog.DELIVERED_TWICE, "another reason"])
def test_the_cause_among_several_errors(request: pytest.FixtureRequest, why: str) -> None:
    """Fixtures that all meet a dead machine fail together, with a message that says why none of them did."""

    def teardown() -> None:
        raise ExceptionGroup("errors while tearing down", [AssertionError("one"), AssertionError(why)])

    call = pytest.CallInfo.from_call(teardown, "teardown")
    report = pytest.TestReport.from_item_and_call(request.node, call)
    assert why not in report.longrepr.reprcrash.message
    name_cause(report)
    assert (klog.DELIVERED_TWICE in report.longrepr.reprcrash.message) == (why == klog.DELIVERED_TWICE)


@pytest.mark.parametrize(
    "line",
    [
        "(XEN) d0: existing mapping (mfn: 1, type: 2) at 0 clobbers MSIX MMIO area.",
        "(XEN) d0v0 Setup of vPCI failed: -19",
        "(XEN) d0v0 0000:01:00.0: ignored BAR 0 write while mapped",
        "(XEN) d0v0 0000:01:00.0: ignored ROM BAR write while mapped",
        "(XEN) Xen WARN at drivers/vpci/vpci.c:1",
        "(XEN) FATAL PAGE FAULT",
        "(XEN) Assertion 'x' failed at y.c:1",
        "(XEN) AMD-Vi: IO_PAGE_FAULT: 0000:01:00.0 d0 addr 0 flags 0",
        "[ 1.0] pcieport 0000:00:04.0: unlocked secondary bus reset via: x",
        "[ 1.0] Oops: 0000 [#1]",
        "[ 1.0] WARNING: possible recursive locking detected",
        "[ 1.0] rust_kernel: panicked at x.rs:1:1:",
        "[ 1.0] BUG: KFENCE: use-after-free read in x",
    ],
)
def test_bad_lines(line: str) -> None:
    """Each kind of bad line is one report."""
    found = klog.reports(["[ 0.5] before", line, "[ 2.0] after"])
    assert [report.head for report in found] == [line]


def test_trace_is_one_report() -> None:
    """A warning and its trace are one report, allowed or not as a whole."""
    found = klog.reports(WARNING)
    assert len(found) == 1
    assert "WARNING" in found[0].head
    assert klog.unexpected(WARNING, [r"pci_thing"]) == []
    assert len(klog.unexpected(WARNING, [r"other_thing"])) == 1


def test_trace_after_headline() -> None:
    """A trace without "cut here" belongs to the headline before it."""
    found = klog.reports(LOCKDEP)
    assert [len(report.lines) for report in found] == [5, 1]
    assert len(klog.unexpected(LOCKDEP, [r"dump_stack"])) == 1


UNBOUND = """\
[   62.114673] ------------[ cut here ]------------
[   62.115304] WARNING: drivers/pci/remove.c:127 at pci_stop_and_remove_bus_device+0x42/0x50, CPU#0: sh/714
[   62.139190]  <TASK>
[   62.139500]  pci_iov_remove_virtfn+0xe1/0x140
[   62.142622]  igb_remove+0x8c/0x110 [igb]
[   62.144570]  unbind_store+0xb4/0xe0
[   62.155452]  </TASK>
"""


@pytest.mark.parametrize("line", ["remove.c", "igb_remove", "unbind_store"])
def test_only_known_reports_of_the_kernel_pass(line: str) -> None:
    """A report passes by all that is known of it; the same of another caller does not."""
    assert klog.unexpected(UNBOUND.splitlines()) == []
    assert len(klog.unexpected(UNBOUND.replace(line, "another").splitlines())) == 1


def test_lone_trace() -> None:
    """A trace that nothing announced still counts."""
    assert len(klog.reports(["x", "Call Trace:", " a", " b"])) == 1


def test_ktap_flat() -> None:
    """Results, directives, notes."""
    text = """\
KTAP version 1
1..4
# a note
ok 1 first
ok 2 - second # SKIP no device
not ok 3 third
ok 4 fourth # XFAIL known
"""
    case = ktap.parse(text)
    assert case.status == ktap.FAIL
    assert [(c.name, c.status) for c in case.cases] == [
        ("first", "pass"),
        ("second", "skip"),
        ("third", "fail"),
        ("fourth", "pass"),
    ]
    assert case.cases[1].reason == "no device"
    assert case.cases[0].notes == ["# a note"]


def test_ktap_figures() -> None:
    """What is to be quoted, and nothing else."""
    assert ktap.figures(
        "# figure: bind: 7 calls\nok 1 figure: none\n    # figure: unbind: 3 calls\n# a figure: x\n"
    ) == [
        "bind: 7 calls",
        "unbind: 3 calls",
    ]


def test_ktap_nested() -> None:
    """Subtests two deep; a failing leaf fails its parents."""
    text = """\
KTAP version 1
1..2
  KTAP version 1
  # Subtest: reset
  1..2
  ok 1 flr
    1..1
    not ok 1 bus
  ok 2 others
ok 1 reset
ok 2 gsi
"""
    case = ktap.parse(text)
    assert {path: leaf.status for path, leaf in case.leaves()} == {
        "reset/flr": "pass",
        "reset/others/bus": "fail",
        "gsi": "pass",
    }
    assert [c.status for c in case.cases] == ["fail", "pass"]
    assert case.status == ktap.FAIL


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "fail"),
        ("sh: syntax error", "fail"),
        ("1..2\nok 1 a\n", "fail"),
        ("ok 1 a\n", "fail"),
        ("1..1\nok 2 a\n", "fail"),
        ("1..2\nok 1 a\nBail out! no module\n", "fail"),
        ("1..1\n  1..1\n  ok 1 a\n", "fail"),
        ("1..0 # SKIP no Xen\n", "skip"),
        ("1..1\nok 1 a # SKIP\n", "skip"),
        ("ok 1 a\n1..1\n", "pass"),
        ("TAP version 14\n1..1\nok 1 - a\n", "pass"),
    ],
)
def test_ktap_plan(text: str, status: str) -> None:
    """A report must keep its plan; the plan may come last."""
    assert ktap.parse(text).status == status


@pytest.mark.parametrize("name", sorted(TOPOLOGIES))
def test_topology_ids(name: str) -> None:
    """Ids are unique, and every disk has a user."""
    t = topology(name)
    ids = [word for arg in t.args for word in arg.split(",") if word.startswith("id=")]
    assert len(ids) == len(set(ids))
    assert all(any(f"drive={disk}" in arg for arg in t.args) for disk in t.disks)


KNOWN_LEAK = """\
unreferenced object 0xffff888109103c00 (size 32):
  comm "xenbus", pid 26, jiffies 4294939541
  hex dump (first 32 bytes):
    2f 6c 6f 63 61 6c 2f 64 6f 6d 61 69 6e 2f 37 2f  /local/domain/7/
    64 65 76 69 63 65 2f 70 63 69 2f 30 00 cc cc cc  device/pci/0....
  backtrace (crc e3c2e58):
    __kmalloc_noprof+0x320/0x5c0
    xenbus_thread+0x201/0xa50
"""


def test_only_known_leaks_of_the_kernel_pass() -> None:
    """The path of the other end, as xenbus reads it; nothing else that was read, or allocated elsewhere."""
    assert unexpected(KNOWN_LEAK) == ""
    other_node = KNOWN_LEAK.replace("2f 37 2f", "2f 37 2e")
    ours = KNOWN_LEAK.replace("xenbus_thread", "insmod")
    assert unexpected(other_node + KNOWN_LEAK + ours + KNOWN_LEAK) == other_node + ours


def test_parts_go_on() -> None:
    """One that fails doesn't end the test, and is remembered with its reason."""
    part, done = Parts(lambda: True), []
    for number in range(3):
        with part(f"part {number}"):
            assert number != 1, "why"
            done.append(number)
    assert done == [0, 2]
    assert len(part.failed) == 1
    assert part.failed[0].startswith("part 1:\n")
    assert "why" in part.failed[0]


def test_parts_of_a_dead_machine() -> None:
    """Nothing more is tried on it."""
    part = Parts(lambda: False)
    with pytest.raises(TimeoutError), part("the last"):
        raise TimeoutError
    assert part.failed == []
