// SPDX-License-Identifier: GPL-2.0

//! Builds where `smp_mb()` is told what it orders (Linux 7.3).

use kernel::sync::barrier::{
    smp_mb,
    Write, //
};

pub fn probe() {
    smp_mb(Write);
}
