# SPDX-License-Identifier: GPL-2.0
"""The VM lab: Xen and a dom0 under QEMU, driven from Python."""
