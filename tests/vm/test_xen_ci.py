# SPDX-License-Identifier: GPL-2.0
"""What Xen's own CI asks of PCI passthrough: the jobs pci-pv and pci-hvm, which are for a PV dom0, and the same in
a PVH one.

xen-project/xen, automation/scripts/qubes-x86_64.sh, commit e6c6da39bcff: the guest's script (CHECKS) and its lines
of the configuration (CONFIG, `seize=1`) are the same word for word. The guest is the lab's instead of Alpine's.
"""

import pytest
from lab.endpoint import IGB
from lab.guest import Guest, ramdisk_with_programs
from lab.machine import Dom0
from lab.stub import RUST

CONFIG = """
    extra = "earlyprintk=xen"
    on_reboot = "destroy"
"""

CHECKS = r"""
set -x -e
interface=eth0
while ! [ -e "/sys/class/net/$interface" ]; do sleep 1; done
ip link set "$interface" up
timeout 30s udhcpc -i "$interface"
pingip=$(ip -o -4 r show default|cut -f 3 -d ' ')
ping -c 10 "$pingip"
echo domU started
pcidevice=$(realpath /sys/class/net/$interface/device |
             sed 's#.*pci0000:00/\([^/]*\).*#\1#')
lspci -vs $pcidevice
lspci -vs $pcidevice | fgrep 'MSI-X: Enable+'
echo "pci test passed"
"""

#: What udhcpc runs; Alpine has one.
LEASE = """#!/bin/sh
case $1 in
deconfig) ip addr flush dev $interface ;;
bound) ip addr add $ip/$mask dev $interface && ip route add default via ${router%% *} dev $interface ;;
esac
"""


def passes(dom0: Dom0, kind: str) -> None:
    """A guest takes the card from its driver in dom0, does what the script says, and goes by a reboot."""
    identity, bdf = IGB.in_dom0(dom0), dom0.bdf(IGB.name)
    RUST.load(dom0)
    ramdisk = ramdisk_with_programs(dom0, "ci", ["lspci"], {"/etc/udhcpc/default.script": LEASE})
    # (A PV guest of a PVH dom0 mostly loses a frontend that is there from the start: lab/guest.py.)
    cold = kind == "hvm" or dom0.flavour == "pv"
    guest = Guest(dom0, "domU", [f"{bdf},seize=1"], kind=kind, config=CONFIG, ramdisk=ramdisk, cold=cold).create()
    said = guest.check(CHECKS, 180)
    print(said)
    assert " 0% packet loss" in said
    assert said.endswith("pci test passed\n")
    guest.run("(sleep 1; reboot -f) >/dev/null 2>&1 &")
    guest.wait_gone()
    assert not guest.running
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    dom0.check(f"xl pci-assignable-remove -r {bdf}; rm -r {ramdisk} /root/ci")
    assert IGB.in_dom0(dom0) == identity
    RUST.unload(dom0)


@pytest.mark.tier("all")
@pytest.mark.dom0("network", "pvh", "pv", xl=True)
def test_pci_pv(dom0: Dom0) -> None:
    """The job pci-pv."""
    passes(dom0, "pv")


@pytest.mark.tier("all")
@pytest.mark.dom0("network", "pvh", "pv", xl=True)
def test_pci_hvm(dom0: Dom0) -> None:
    """The job pci-hvm."""
    passes(dom0, "hvm")
