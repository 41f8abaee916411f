# SPDX-License-Identifier: GPL-2.0
"""What costs time and can be counted exactly: accesses to a device's configuration space, and code.

Each access leaves a PVH dom0, and there they are most of what a claim takes. The emulator counts them, and
they are the same each time. Loading takes as long as there is code.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from lab.config_trace import EXPRESS, capability, lives, registers, without_drivers
from lab.machine import Dom0
from lab.paths import DEBUG, MODULE, OTHER, REPO, TRIED
from lab.stub import RUST, C

#: With FLR; e1000e has none.
WITH_FLR = ("nvme0", "igb0")
NAMES = (*WITH_FLR, "e1000e0")

# What a reset makes that the C driver's reset and restore at a release don't, beside the proof and the
# addresses, which are read to see whether they are back.
#: Is it there; decode, bus mastering and INTx off; does it decode after the reset; Device Status cleared, so
#: that its last user's errors aren't the next one's; does it decode after the restore.
GUARANTEES = 5
#: Interrupt Disable is read back, Cache Line Size is written and read back. After the reset Interrupt Disable,
#: gone, is in what was read anyway.
PROOF = 3
#: At a release: the Command register as it was before the claim.
AS_FOUND = 1

#: How much more than `make bench` has recorded is taken for a mistake.
GROWTH = 0.05


@cache
def recorded(fact: str, driver: str) -> float:
    """What `make bench` has counted."""
    facts = json.loads((REPO / "Documentation" / "performance.json").read_text())["facts"]
    value: float = facts[fact][driver][0]
    return value


@pytest.fixture
def free(dom0: Dom0) -> Iterator[dict[str, bytes]]:
    """The configuration spaces of the devices, which have no drivers meanwhile."""
    with without_drivers(dom0, NAMES) as configs:
        yield configs


@pytest.mark.skipif(DEBUG != "", reason="these kernels lack the C driver")
@pytest.mark.klog_allow("unlocked secondary bus reset")
@pytest.mark.dom0("main", "pv")
def test_accesses(dom0: Dom0, free: dict[str, bytes], figure: Callable[[str], None]) -> None:
    """No more than the C driver makes (pci's `reset` in place of a reset), but for a release.

    The C driver's release is the kernel's FLR and restore, and nothing else. This one sees that the device
    was there, was reset and has its addresses back. That is what it may make more.
    """
    c, rust = lives(dom0, C, NAMES), lives(dom0, RUST, NAMES)
    for name in NAMES:
        pairs = zip(vars(rust[name]).items(), vars(c[name]).values(), strict=True)
        figure(f"{name}: " + ", ".join(f"{what} {len(ours)} (C: {len(theirs)})" for (what, ours), theirs in pairs))
    for name in WITH_FLR:
        express = capability(free[name], EXPRESS)
        proofs = {what: trace.proof(express) for what, trace in vars(rust[name]).items()}
        figure(f"{name}: of these for the proof: {proofs}")
        assert max(proofs.values()) <= PROOF
    for name in NAMES:
        ours, theirs = rust[name], c[name]
        assert 0 < len(ours.bind) <= len(theirs.bind), (name, ours.bind.accesses)
        assert 0 < len(ours.reset) <= len(theirs.reset), (name, ours.reset.accesses)
        for what, trace in vars(ours).items():
            fact = f"accesses to registers: {what} of {name}"
            was = recorded(fact, "Rust")
            # What the kernel makes of its own differs between kernels, and the C driver has that too.
            more = (len(trace) - was) - max(0, len(vars(theirs)[what]) - recorded(fact, "C"))
            assert more <= GROWTH * was, (name, what, trace.accesses)
    for name in WITH_FLR:
        ours, theirs = rust[name], c[name]
        most = len(theirs.unbind) + GUARANTEES + registers(free[name]) + PROOF
        assert len(ours.reset) <= most, (name, ours.reset.accesses)
        assert len(ours.unbind) <= most + AS_FOUND, (name, ours.unbind.accesses)
    # Without a method of its own it is not reset at a release, and the C driver uses its weakest.
    name = "e1000e0"
    most = len(c[name].unbind) + GUARANTEES + registers(free[name]) + AS_FOUND
    assert 0 < len(rust[name].unbind) <= most, rust[name].unbind.accesses


@pytest.mark.skipif(OTHER != "" or TRIED != "", reason="recorded for the module as it is, for the usual kernel")
def test_size() -> None:
    """The code has not grown unseen: `make bench` records its size."""
    out = subprocess.run(["size", MODULE], check=True, capture_output=True, text=True).stdout
    assert int(out.splitlines()[1].split()[0]) <= (1 + GROWTH) * recorded("text (code and constants)", "Rust")
