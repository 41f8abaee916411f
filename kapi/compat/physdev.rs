// SPDX-License-Identifier: GPL-2.0

//! The `physdev_op` hypercall as this kind of machine makes it. `kapi/layout.c` checks it against
//! the kernel's header.
//!
//! UPSTREAM(xen-helpers): hypercalls need a file in rust/helpers.

use kernel::ffi::{
    c_int,
    c_void, //
};

/// # Safety
///
/// This must be a domain of Xen, and `arg` must point to the argument of `cmd`, valid for reads and
/// writes.
// At load the kernel patches one static call of a module after the other, with all processors
// interrupted for each: one is enough.
#[inline(never)]
#[cfg(target_arch = "x86_64")]
pub(in crate::kapi) unsafe fn raw_physdev_op(cmd: c_int, arg: *mut c_void) -> c_int {
    /// `__HYPERVISOR_physdev_op` (xen/interface/xen.h).
    const PHYSDEV_OP: u64 = 33;
    let ret: u64;
    // SAFETY:
    // - `__SCT__xen_hypercall` is the trampoline of the kernel's static call for hypercalls; it
    //   takes the number in rax and the arguments in rdi, rsi, rdx, r10 and r8, and returns in rax
    //   (arch/x86/include/asm/xen/hypercall.h).
    // - All argument registers are declared as clobbered, as that header demands; flags and memory
    //   are by default. The kernel has no red zone that the `call` could destroy.
    // - By the caller's promise, `arg` is valid for the command.
    unsafe {
        core::arch::asm!(
            "call __SCT__xen_hypercall",
            inout("rax") PHYSDEV_OP => ret,
            inout("rdi") i64::from(cmd) => _,
            inout("rsi") arg => _,
            out("rdx") _,
            out("r10") _,
            out("r8") _,
        );
    }
    // CAST: Xen returns a 32-bit result or errno, sign-extended, for this hypercall.
    ret as c_int
}

/// # Safety
///
/// As above.
#[cfg(target_arch = "aarch64")]
pub(in crate::kapi) unsafe fn raw_physdev_op(cmd: c_int, arg: *mut c_void) -> c_int {
    extern "C" {
        fn HYPERVISOR_physdev_op(cmd: c_int, arg: *mut c_void) -> c_int;
    }
    // SAFETY: The kernel exports the function on Arm with this signature (xen/arm/hypercall.h): it
    // puts the number into x16 and executes `hvc #0xea1` (arch/arm64/xen/hypercall.S). The caller
    // vouches for `arg`.
    unsafe { HYPERVISOR_physdev_op(cmd, arg) }
}
