# SPDX-License-Identifier: GPL-2.0
"""Every errno that Xen's interface has, as the answer to the hypercalls of a claim, a reset and a release.

The test build has Xen refuse on demand (kapi/fault.rs). That a normal build cannot do so is tested here too.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lab.machine import Dom0
from lab.paths import DEBUG, FAULTS_MODULE, MODULE
from lab.pciback import FAULTS, load
from lab.script import LIB

DRIVER = "/sys/bus/pci/drivers/pciback"
PARAMETERS = "/sys/module/rust_pciback/parameters"
#: From libxen-dev.
XEN_ERRNO = Path("/usr/include/xen/errno.h")
#: PHYSDEVOP_* (xen/physdev.h).
MAP_PIRQ, UNMAP_PIRQ, SETUP_GSI, DEVICE_ADD, PREPARE_MSIX, RELEASE_MSIX, DEVICE_RESET = 13, 14, 21, 25, 30, 31, 32


def errnos() -> dict[str, int]:
    """All of them, by name."""
    found = re.findall(r"^XEN_ERRNO\((\w+),\s*(\d+)\)", XEN_ERRNO.read_text(), re.MULTILINE)
    assert len(found) > 40, "this is not the header that was expected"
    return {name: int(number) for name, number in found if int(number)}


def tried(operation: int) -> list[int]:
    """The numbers that are tried with an operation, as each takes seconds: those that may be no errors, and every
    third of all, where to begin depends on the operation. On a slow kernel it is every ninth.
    """
    names = errnos()
    numbers = sorted(set(names.values()))
    step = 9 if DEBUG else 3
    return sorted({*numbers[operation % step :: step], names["ENOSYS"], names["EEXIST"]})


def means_success(operation: int, name: str) -> bool:
    """Whether a claim goes on: an old Xen is no error, a GSI may be set up already, guests need no MSI-X."""
    return name == "ENOSYS" or operation == MAP_PIRQ or (operation == SETUP_GSI and name == "EEXIST")


def run(
    dom0: Dom0, bdf: str, operation: int, prepare: str, action: str, errnos: list[int] | None = None
) -> dict[int, list[str]]:
    """For each errno: prepare, have Xen refuse, act, and have the words of `report`."""
    errnos = errnos or tried(operation)
    numbers = " ".join(map(str, errnos))
    script = f"""{LIB}
        dev={bdf}
        for errno in {numbers}; do
            {{ {prepare}; }} >/dev/null
            echo $errno >{PARAMETERS}/fail_errno
            echo {operation} >{PARAMETERS}/fail_physdev_op
            answer=$({action})
            echo 0 >{PARAMETERS}/fail_physdev_op
            pci_config $dev $tmp/after
            cmp -s $tmp/before $tmp/after && same=same || same=other
            echo "$errno $answer $same $(cat {PARAMETERS}/fail_physdev_op) $(attr $dev state 2>/dev/null || echo free)"
        done
    """
    lines = [line.split() for line in dom0.check(script, 300).splitlines()]
    assert len(lines) == len(errnos)
    return {int(errno): rest for errno, *rest in lines}


UNCLAIMED = '[ -z "$(pci_driver $dev)" ] || sysfs_write $DRV/unbind $dev; pci_config $dev $tmp/before'
# Xen keeps the table of a device whose release it seemed to refuse: it is told once more.
CLAIMED = (
    "driver_is $dev pciback || { $PBTOOL release_msix $dev; drv_errno bind $dev; };"
    " reset_errno $dev; pci_config $dev $tmp/before"
)


@pytest.mark.tier("all")
@pytest.mark.dom0("main", "pvh", "pv")
@pytest.mark.klog_allow("probe with driver pciback failed")
def test_all_errnos(dom0: Dom0, figure: Callable[[str], None]) -> None:
    """Each is handed on, or known to be none; nothing is left half done."""
    load(dom0, module=FAULTS)
    bdf = dom0.bdf("igb0")
    dom0.check(f"{LIB} give {bdf}")
    pvh = [DEVICE_ADD, PREPARE_MSIX, DEVICE_RESET, MAP_PIRQ, SETUP_GSI]
    operations = pvh if dom0.flavour == "pvh" else [PREPARE_MSIX]
    names = {number: name for name, number in errnos().items()}
    cases: list[int] = []
    for operation in operations:
        answers = run(dom0, bdf, operation, UNCLAIMED, "drv_errno bind $dev")
        cases += answers
        for errno, (answer, same, _, state) in answers.items():
            what = f"operation {operation}, {names[errno]}: {answer} {same} {state}"
            if means_success(operation, names[errno]):
                assert (answer, state) == ("0", "clean"), what
            else:
                assert (int(answer), same, state) == (errno, "same", "free"), what
    if dom0.flavour == "pvh":
        answers = run(dom0, bdf, DEVICE_RESET, CLAIMED, "reset_errno $dev")
        cases += answers
        for errno, (answer, same, _, state) in answers.items():
            what = f"reset, {names[errno]}: {answer} {same} {state}"
            wanted = ("0", "same", "clean") if names[errno] == "ENOSYS" else (str(errno), "same", "failed")
            assert (answer, same, state) == wanted, what
    answers = run(dom0, bdf, RELEASE_MSIX, CLAIMED, "drv_errno unbind $dev")
    cases += answers
    for errno, (answer, _, _, state) in answers.items():
        assert (answer, state) == ("0", "free"), f"release, {names[errno]}: {answer} {state}"
    if dom0.flavour == "pvh":
        # Each costs dom0 two PIRQs for good, so not with all of them.
        answers = run(dom0, bdf, UNMAP_PIRQ, CLAIMED, "drv_errno unbind $dev", tried(UNMAP_PIRQ)[:3])
        cases += answers
        for errno, (answer, _, _, state) in answers.items():
            assert (answer, state) == ("0", "free"), f"unmap, {names[errno]}: {answer} {state}"
        assert "PIRQ" in dom0.check("dmesg | grep 'not unmapped'")
    dom0.check(f"{LIB} take_back {bdf}; works {bdf}; module_unload")
    if dom0.flavour == "pvh" and not DEBUG:
        assert set(cases) == set(errnos().values()), "each errno was the answer to some operation"
    figure(f"{len(cases)} cases, of {len(set(cases))} errnos")


def test_a_normal_build_has_no_faults() -> None:
    """Neither the switches nor the words of what fails on demand are in it; in the test build they are."""
    normal, faults = MODULE.read_bytes(), FAULTS_MODULE.read_bytes()
    root = Path(__file__).parents[2]
    files = [path for path in root.rglob("*.rs") if path.relative_to(root).parts[0] != "tests"]
    calls = {name for path in files for name in re.findall(r'fault::point\(\s*"([^"]+)"', path.read_text())}
    assert {"pci_enable_device", "read of MSI-X"} <= calls
    knobs = ["fail_call", "fail_errno", "fail_physdev_op", "fail_step", "skip_reset", "pause_planned"]
    for word in [*knobs, "xen_accepts", "storm_limit", "fault: "]:
        assert word.encode() not in normal, word
        assert word.encode() in faults, word
    # Names of C functions are also those of imported symbols; the others are nowhere else.
    for name in (name for name in calls if " " in name):
        assert name.encode() not in normal, name
        assert name.encode() in faults, name
