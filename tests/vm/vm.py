# SPDX-License-Identifier: GPL-2.0
"""Boot a dom0 for a person: run commands in it, or give a prompt. See tools/vm."""

import argparse
import sys
import time

from lab.agent import AgentError
from lab.arm64 import ArmDom0
from lab.machine import Dom0, MachineError
from lab.paths import ARM64, DOM0_TESTS, FAULTS_MODULE, MODULE, shown
from lab.topology import TOPOLOGIES

EPILOG = """\
The module is copied to /root/rust_pciback.ko, tests/dom0 to /tests. In commands,
@NAME stands for the address of a device: `cat /sys/bus/pci/devices/@igb0/reset_method`.
Device names are QEMU ids: --list shows them. Lines from standard input that begin
with `!` go to QEMU's human monitor (`!info pci`).

  tools/vm -c 'insmod /root/rust_pciback.ko' -c 'cat /sys/bus/pci/devices/@igb0/gsi'
  tools/vm --pv --topology vfs --console < commands
  tools/vm --topology shared                  (a prompt, when on a terminal)
"""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tools/vm",
        description="Boot Xen with a dom0 in QEMU and run commands in it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pv", action="store_true", help="a PV dom0 (default: PVH)")
    parser.add_argument("--topology", "-t", default="main", choices=sorted(TOPOLOGIES), help="default: main")
    parser.add_argument("--xl", action="store_true", help="the root with the Xen toolstack (made on first use)")
    parser.add_argument("--faults", action="store_true", help="copy the module's build with fault knobs")
    parser.add_argument("--build", "-b", action="store_true", help="build the module first (tools/vm does it)")
    parser.add_argument("-c", dest="commands", action="append", metavar="COMMANDS", help="run this; may be repeated")
    parser.add_argument("--timeout", type=float, default=120, metavar="SECONDS", help="for each command (120)")
    parser.add_argument("--console", action="store_true", help="show what each command put on the console")
    parser.add_argument("--kernel", default="", metavar="ARGS", help="more for dom0's command line")
    parser.add_argument("--xen", default="", metavar="ARGS", help="more for Xen's command line")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="print the devices and their addresses first")
    return parser.parse_args()


def execute(dom0: Dom0, command: str, args: argparse.Namespace) -> int:
    """Run one command (or monitor line) and print what came of it."""
    if command.startswith("!"):
        print(dom0.qmp.human(command[1:]), end="")
        return 0
    for name, bdf in sorted(dom0.names().items(), key=lambda item: -len(item[0])):
        command = command.replace(f"@{name}", bdf)
    mark = dom0.console.mark()
    result = dom0.run(command, args.timeout)
    print(result.out, end="", flush=True)
    if args.console:
        for line in dom0.console.since(mark):
            print(f"| {line}")
    if not result.ok:
        print(f"[status {result.status}]", flush=True)
    return result.status


def session(dom0: Dom0, args: argparse.Namespace) -> int:
    """All commands, from -c or standard input; the status of the last that failed."""
    status = 0
    if args.commands:
        commands = iter(args.commands)
    elif sys.stdin.isatty():
        commands = iter(lambda: input("dom0# "), "exit")
    else:
        commands = iter([sys.stdin.read()])
    try:
        for command in commands:
            if command.strip():
                status = execute(dom0, command, args) or status
    except (EOFError, KeyboardInterrupt):
        print()
    return status


def main() -> int:
    """Boot, prepare, run."""
    args = arguments()
    began = time.monotonic()
    try:
        with (ArmDom0 if ARM64 else Dom0)(
            args.topology,
            "pv" if args.pv else "pvh",
            xl=args.xl,
            kernel=args.kernel,
            xen=args.xen,
            cpus=args.cpus,
            name="vm",
        ) as dom0:
            module = FAULTS_MODULE if args.faults else MODULE
            if module.exists():
                dom0.put_module(args.faults)
            if DOM0_TESTS.is_dir():
                dom0.put_tests()
            print(
                f"dom0 ({dom0.flavour}) took commands after {dom0.boot_seconds:.1f} s, ready after "
                f"{time.monotonic() - began:.1f} s; console: {shown(dom0.log)}",
                file=sys.stderr,
            )
            if args.list:
                for name, bdf in sorted(dom0.names().items(), key=lambda item: item[1]):
                    print(f"{bdf} {name}")
            status = session(dom0, args)
            if dom0.alive:
                dom0.sync_console("end")
            return status
    except (AgentError, MachineError) as error:
        print(f"vm: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
