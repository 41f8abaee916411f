# SPDX-License-Identifier: GPL-2.0
"""Resets of a claimed device that the kernel carries out: by its file `reset`, or of all that is below a bridge.

xenopsd's first choice is that file.
"""

import pytest
from lab.machine import Dom0
from lab.pciback import DEVICES, DRIVER, load
from lab.toolstack import shown

#: The shell library, which is not to look for the devices of the lab: that takes a PVH dom0 seconds.
LIB = "here=/tests FLR_DEVICES= PLAIN_DEVICES=; { . /tests/lib/pciback.sh; . /tests/lib/reset.sh; } >/dev/null;"


@pytest.mark.core
@pytest.mark.dom0("main", "pvh", "pv")
def test_the_kernels_reset(dom0: Dom0) -> None:
    """The driver knows of it, gives the device its configuration of before any guest, and tells Xen."""
    card, weak = dom0.bdf("igb0"), dom0.bdf("e1000e0")
    xen, proof = ("told", "unknown") if dom0.flavour == "pvh" else ("not-needed", "proven")
    load(dom0)
    dom0.check(f'{LIB} for d in {card} {weak}; do [ "$(give $d)" = 0 ] || exit; done')
    # Not clean, to begin with.
    methods = f"{DEVICES}/{card}/reset_method"
    dom0.check(
        f"echo pm >{methods}; printf {card} | /tests/pbtool write {DRIVER}/reset_device; echo default >{methods}"
    )
    assert shown(dom0, card, "state")[0] in ("weak", "unproven")

    header = f"od -An -v -tx1 -N 64 {DEVICES}/{card}/config"
    for file in (f"{card}/reset", f"{card}/../reset_subordinate"):
        before = dom0.check(header)
        # What a guest would leave: cache line size, interrupt line, bus mastering.
        dom0.check(f"{LIB} pci_write_byte {card} 0xc 10; pci_write_byte {card} 0x3c 77; pci_write_byte {card} 4 07")
        assert dom0.check(header) != before
        dom0.check(f"{LIB} leave_mark {card}")
        events = dom0.check(f"/tests/pbtool uevents sh -c 'echo 1 >{DEVICES}/{file}'").splitlines()
        assert not dom0.run(f"{LIB} bears_mark {card}").ok
        assert dom0.check(header) == before
        facts = shown(
            dom0, card, "state", "last_reset_method", "last_reset_proof", "last_reset_xen", "last_reset_error"
        )
        assert facts == ["clean", "flr", proof, xen, "0"]
        assert int(shown(dom0, card, "last_reset_time_us")[0]) > 100_000
        words = ("PCIBACK_STATE=clean", "PCIBACK_RESET_METHOD=flr", "PCIBACK_RESET_ERROR=0")
        assert [all(word in event.split() for word in words) for event in events] == [True]

    # A power-state reset (which the emulated device ignores: in PV there is a register that shows it).
    dom0.check(f"echo 1 >{DEVICES}/{weak}/reset")
    facts = shown(dom0, weak, "state", "last_reset_method", "last_reset_proof")
    assert facts == (["weak", "pm", "unknown"] if dom0.flavour == "pvh" else ["unproven", "pm", "disproven"])
    dom0.check(f"{LIB} for d in {card} {weak}; do take_back $d; serves $d || exit; done; rmmod rust_pciback")
