#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# In the initramfs, before udev loads native drivers. What fails is told in the kernel's
# log. The system boots on.
/usr/libexec/rust-pciback/pciback-boot claim || true
