# SPDX-License-Identifier: GPL-2.0
"""A guest that crashes, and the one that gets its device after it."""

import pytest
from lab.endpoint import IGB
from lab.guest import Guest
from lab.machine import Dom0
from lab.stub import DRIVER, RUST, config_space


def permissive(dom0: Dom0) -> list[str]:
    """The devices whose guest may write all of the configuration space."""
    return dom0.check(f"cat {DRIVER}/permissive").split()


@pytest.mark.dom0("guest", "pvh", xl=True)
@pytest.mark.tier("all")  # Four minutes.
def test_crash_and_the_next_guest(dom0: Dom0) -> None:
    """The first guest crashes and is destroyed, the second crashes and is restarted.

    What the first one was allowed (permissive=1) is not passed on to the second. The first has its
    interrupts by the legacy pin, the second by MSI-X.
    """
    identity, bdf = IGB.in_dom0(dom0), dom0.bdf(IGB.name)
    RUST.load(dom0)
    dom0.check(f"xl pci-assignable-add {bdf}")
    before = config_space(dom0, bdf)

    first = Guest(dom0, "first", [f"{bdf},permissive=1"], cmdline="pci=nomsi").create()
    assert permissive(dom0) == [bdf]
    slot = IGB.in_guest(first)
    assert IGB.use(first, slot) > 0
    assert IGB.interrupt_mode(first, slot) == "intx"
    first.crash()
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    assert config_space(dom0, bdf) == before
    assert permissive(dom0) == []

    second = Guest(dom0, "second", [bdf], on_crash="restart").create()
    second.crash()
    slot = IGB.in_guest(second)
    assert IGB.identity(second, slot) == identity
    assert IGB.use(second, slot) > 0
    assert IGB.interrupt_mode(second, slot) == "msi-x"
    assert permissive(dom0) == []
    second.destroy()
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    assert config_space(dom0, bdf) == before
    dom0.check(f"xl pci-assignable-remove -r {bdf}")
    assert IGB.in_dom0(dom0) == identity
    RUST.unload(dom0)
