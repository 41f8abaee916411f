# SPDX-License-Identifier: GPL-2.0
"""pcibackctl in dom0s: what it says is what the module says, and it does what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lab.guest import Guest
from lab.machine import Dom0
from lab.paths import CACHE
from lab.pciback import DEVICES, claim, give_back, load, unload
from lab.topology import FOR_ARM64, TOPOLOGIES
from lab.until import until

PROGRAM = CACHE / "build" / "cli" / "pcibackctl"
TOOL = "/root/pcibackctl"


@pytest.fixture
def tool(dom0: Dom0) -> str:
    """The program, in dom0."""
    if not PROGRAM.exists():
        pytest.skip("pcibackctl was not built (tools/build cli)")
    if not dom0.run(f"test -x {TOOL}").ok:
        dom0.write(TOOL, PROGRAM.read_bytes(), 0o755)
    return TOOL


def ask(dom0: Dom0, command: str) -> dict[str, Any]:
    """The answer to a command, as the program writes it for others."""
    answer: dict[str, Any] = json.loads(dom0.check(f"{TOOL} --json {command}"))
    assert answer["schema"] == "pcibackctl/1"
    return answer


def driver(dom0: Dom0, bdf: str) -> str:
    """The driver that a device has; empty without."""
    return dom0.run(f"basename $(readlink {DEVICES}/{bdf}/driver)").out.strip()


def same_as_module(dom0: Dom0, bdfs: list[str]) -> None:
    """For each claimed device the program's plan and blockers are the module's."""
    answer = ask(dom0, "explain " + " ".join(bdfs))
    assert [device["device"]["bdf"] for device in answer["devices"]] == sorted(bdfs)
    for device in answer["devices"]:
        says = device["driver_says"]
        assert device["device"]["reset"]["plan"] == says["reset_plan"], device["device"]["bdf"]
        ours = {f"{blocker['bdf']} {blocker['reason']}" for blocker in device["slot_or_bus_blockers"]}
        assert ours == set(says["reset_blockers"]), device["device"]["bdf"]


def endpoints(dom0: Dom0) -> list[str]:
    """The devices of the topology that can be claimed, by address."""
    named = {dom0.bdf(name) for name in dom0.names() if not name.startswith("lab-")}
    devices = ask(dom0, "list -a")["devices"]
    return sorted(device["bdf"] for device in devices if device["kind"] == "endpoint" and device["bdf"] in named)


def give_back_all(dom0: Dom0, bdfs: list[str]) -> None:
    """Some have no driver of their own to go back to."""
    if bdfs:
        dom0.check(f"{TOOL} release --now {' '.join(bdfs)}")
    assert not any(driver(dom0, bdf) == "pciback" for bdf in bdfs)


@pytest.mark.tier("all")
@pytest.mark.dom0(sorted(TOPOLOGIES.keys() - FOR_ARM64), "pv")
def test_plans(dom0: Dom0, tool: str) -> None:
    """One device after the other is claimed; after each, all plans are the same, and so is what was foretold."""
    load(dom0)
    claimed: list[str] = []
    try:
        for bdf in endpoints(dom0):
            [foretold] = ask(dom0, f"explain {bdf}")["devices"]
            claim(dom0, bdf)
            claimed.append(bdf)
            same_as_module(dom0, claimed)
            plan = dom0.check(f"cat {DEVICES}/{bdf}/pciback/reset_plan").strip()
            assert foretold["device"]["reset"]["plan"] == plan, f"{bdf} before it was claimed"
        assert claimed or dom0.topology.name == "none"
    finally:
        give_back_all(dom0, claimed)
        unload(dom0)


@pytest.mark.dom0("main")
def test_plans_in_a_pvh_dom0(dom0: Dom0, tool: str) -> None:
    """What is planned doesn't depend on the kind of dom0."""
    load(dom0)
    claimed = endpoints(dom0)
    claim(dom0, *claimed)
    same_as_module(dom0, claimed)
    give_back_all(dom0, claimed)
    unload(dom0)


@pytest.mark.tier("all")
@pytest.mark.dom0("vfs", "pv")
def test_plans_virtual_functions(dom0: Dom0, tool: str) -> None:
    """With virtual functions, which are on the bus of their physical function or on the next."""
    physical = dom0.bdf("igb0")
    dom0.check(f"echo 4 >{DEVICES}/{physical}/sriov_numvfs")
    load(dom0)
    virtual = [dom0.check(f"basename $(readlink {DEVICES}/{physical}/virtfn{n})").strip() for n in range(4)]
    for number, bdf in enumerate(virtual):
        claim(dom0, bdf)
        same_as_module(dom0, virtual[: number + 1])
    give_back_all(dom0, virtual)
    unload(dom0)
    dom0.check(f"echo 0 >{DEVICES}/{physical}/sriov_numvfs")


@pytest.mark.tier("all")
@pytest.mark.dom0("shared")
def test_methods_that_were_edited(dom0: Dom0, tool: str) -> None:
    """An emptied reset_method, and `bus` taken out of one."""
    load(dom0)
    first, second = dom0.bdf("pair.0"), dom0.bdf("pair.1")
    claim(dom0, first, second)
    for words in ("", "pm", "default"):
        dom0.check(f"echo {words} >{DEVICES}/{first}/reset_method")
        same_as_module(dom0, [first, second])
    give_back(dom0, first, second)
    unload(dom0)


@pytest.mark.dom0("shared", "pvh", "pv", seldom="pvh")
def test_claim_reset_release(dom0: Dom0, tool: str) -> None:
    """By one command each, with the neighbour of the same slot."""
    first, second = dom0.bdf("pair.0"), dom0.bdf("pair.1")
    refused = dom0.run(f"{TOOL} claim --now {first}")
    assert refused.status == 4
    load(dom0)
    dry = ask(dom0, f"claim --now --group --dry-run {first}")
    assert [step["device"] for step in dry["steps"]][-1] == f"{first} {second}"
    assert driver(dom0, first) == "e1000e"

    claimed = ask(dom0, f"claim --now --group {first}")
    assert [(device["bdf"], device["driver"]) for device in claimed["devices"]] == [
        (first, "pciback"),
        (second, "pciback"),
    ]
    same_as_module(dom0, [first, second])
    reset = ask(dom0, f"reset {first}")
    assert [(device["state"], device["method"]) for device in reset["devices"]] == [("clean", "slot")]
    assert dom0.run(f"{TOOL} claim --now {first}").ok  # claimed already: nothing to do

    released = ask(dom0, f"release --now {first} {second}")
    assert [device["driver"] for device in released["devices"]] == ["e1000e", "e1000e"]
    assert not any(device["warning"] for device in released["devices"])
    assert dom0.check("cat /sys/bus/pci/drivers/pciback/slots") == ""
    unload(dom0)


@pytest.mark.dom0("shared", "pvh", "pv", seldom="pvh")
def test_a_reset_that_is_blocked(dom0: Dom0, tool: str) -> None:
    """Says who is in the way, and what to do."""
    load(dom0)
    first, second = dom0.bdf("pair.0"), dom0.bdf("pair.1")
    claim(dom0, first)
    failed = dom0.run(f"{TOOL} reset {first} 2>&1")
    assert failed.status == 1
    assert "pcibackctl explain" in failed.out
    said = dom0.check(f"{TOOL} explain {first}")
    assert f"{second}: driver e1000e." in said
    assert f"pcibackctl claim {second}" in said
    give_back(dom0, first)
    unload(dom0)


@pytest.mark.tier("all")
@pytest.mark.dom0("main")
def test_kept_for_the_next_boot(dom0: Dom0, tool: str) -> None:
    """A file says which device is meant, and goes again; the program of the package makes the initramfs again."""
    bdf = dom0.bdf("igb0")
    file = f"/etc/rust-pciback/devices.d/{bdf}.conf"
    update = "/usr/libexec/rust-pciback/update-initrd"
    dom0.check(f"mkdir -p $(dirname {update})")
    dom0.write(update, b"#!/bin/sh\nls /etc/rust-pciback/devices.d >>/root/updates\n", 0o755)
    dom0.check(f"{TOOL} claim --boot {bdf}")
    assert f"address={bdf}\nid=8086:10c9\n" in dom0.check(f"cat {file}")
    assert driver(dom0, bdf) == "igb"
    assert ask(dom0, f"explain {bdf}")["devices"][0]["device"]["at_boot"]["file"] == file
    dom0.check(f"{TOOL} release --boot {bdf}")
    assert not dom0.run(f"test -e {file}").ok
    assert dom0.check("cat /root/updates") == f"{bdf}.conf\n"
    dom0.write(update, b"#!/bin/sh\necho no space >&2\nexit 1\n", 0o755)
    failed = dom0.run(f"{TOOL} claim --boot {bdf} 2>&1")
    assert failed.status == 1
    assert "no space" in failed.out
    assert not dom0.run(f"test -e {file}").ok
    dom0.check("rm -rf /usr/libexec/rust-pciback /etc/rust-pciback /root/updates")


@pytest.mark.tier("all")
@pytest.mark.dom0("main")
def test_driverctl_is_respected(dom0: Dom0, tool: str) -> None:
    """What driverctl keeps is shown as kept, and not taken out of its hands."""
    bdf = dom0.bdf("igb0")
    dom0.check("mkdir -p /etc/driverctl.d")
    dom0.write(f"/etc/driverctl.d/pci-{bdf}", b"pciback\n")
    load(dom0)
    claim(dom0, bdf)
    assert ask(dom0, f"explain {bdf}")["devices"][0]["device"]["at_boot"]["by"] == "driverctl"
    assert ask(dom0, f"claim --dry-run {bdf}")["steps"] == []
    refused = dom0.run(f"{TOOL} release {bdf} 2>&1")
    assert refused.status == 4
    assert f"driverctl unset-override {bdf}" in refused.out
    dom0.check(f"{TOOL} release --now {bdf}")
    assert driver(dom0, bdf) == "igb"
    dom0.check("rm -r /etc/driverctl.d")
    unload(dom0)


@pytest.mark.dom0("main", "pvh", "pv", seldom="pvh")
def test_watch(dom0: Dom0, tool: str) -> None:
    """Events come as they happen: unbind, bind, reset."""
    load(dom0)
    bdf = dom0.bdf("nvme0")
    dom0.check(f"{TOOL} watch --json >/tmp/events 2>/tmp/begun & echo $! >/tmp/watcher")
    dom0.check(until("grep -q watching /tmp/begun", 10))
    claim(dom0, bdf)
    dom0.check(f"echo {bdf} >/sys/bus/pci/drivers/pciback/reset_device")
    dom0.check(until("grep -q '\"reset\"' /tmp/events", 10))
    dom0.check("kill $(cat /tmp/watcher)")
    events = [json.loads(line) for line in dom0.check("cat /tmp/events").splitlines()]
    kinds = [event["event"] for event in events if event["bdf"] == bdf]
    assert kinds.index("unbind") < kinds.index("bind") < kinds.index("reset")
    [reset] = [event for event in events if event["event"] == "reset"]
    assert (reset["state"], reset["method"], reset["error"]) == ("clean", "flr", 0)
    give_back(dom0, bdf)
    unload(dom0)


@pytest.mark.dom0("main", "pvh", "pv")
def test_doctor_and_report(dom0: Dom0, tool: str) -> None:
    """The doctor knows Xen and the driver; what a report shows is what the machine shows."""
    load(dom0)
    findings = {finding["check"]: finding for finding in ask(dom0, "doctor")["findings"]}
    assert findings["xen"]["level"] == "ok"
    assert findings["driver"]["level"] == "ok"
    report = dom0.check(f"{TOOL} report")
    dom0.write("/root/report", report.encode())
    for command in ("list -a", "tree"):
        assert ask(dom0, f"--root /root/report {command}") == ask(dom0, command)
    unload(dom0)


@pytest.mark.tier("all")
@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_watch_uses(dom0: Dom0, tool: str) -> None:
    """A guest that gets a device and gives it back is told of, with the reset in between."""
    bdf = dom0.bdf("igb0")
    load(dom0)
    dom0.check(f"{TOOL} claim --now {bdf}")
    dom0.check(f"{TOOL} watch --json >/tmp/uses 2>/tmp/begun & echo $! >/tmp/watcher")
    dom0.check(until("grep -q watching /tmp/begun", 10))
    guest = Guest(dom0, "watched", [bdf]).create()
    domain = guest.domid
    dom0.check(until("grep -q '\"attach\"' /tmp/uses", 10))
    refused = dom0.run(f"{TOOL} reset {bdf} 2>&1")
    assert refused.status == 4
    assert f"domain {domain} uses it" in refused.out
    [device] = ask(dom0, "list --claimed")["devices"]
    assert device["used_by"] == domain
    guest.destroy()
    dom0.check(until("grep -q '\"detach\"' /tmp/uses", 60))
    dom0.check(until("grep -q '\"reset\"' /tmp/uses", 60))
    dom0.check("kill $(cat /tmp/watcher)")
    events = [json.loads(line) for line in dom0.check("cat /tmp/uses").splitlines()]
    uses = [(event["event"], event["domain"]) for event in events if event["bdf"] == bdf and event["domain"]]
    assert uses == [("attach", domain), ("detach", domain)]
    dom0.check(until(f"grep -q none {DEVICES}/{bdf}/pciback/used_by", 60))
    dom0.check(f"xl pci-assignable-remove {bdf}")  # Out of Xen's quarantine.
    give_back(dom0, bdf)
    unload(dom0)
