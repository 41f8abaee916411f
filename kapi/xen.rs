// SPDX-License-Identifier: GPL-2.0

//! Which kind of Xen domain this kernel runs in, and which domain uses a device.
//!
//! UPSTREAM(xen-bindings): the headers of Xen are not in rust/bindings.
//!
//! C headers: [`include/xen/xen.h`](srctree/include/xen/xen.h),
//! [`include/xen/pci.h`](srctree/include/xen/pci.h)

use super::fault;
use crate::pure::domid::DomId;
use kernel::{
    error::to_result,
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    pci,
    prelude::*,
    sync::aref::ARef, //
};

/// `SIF_INITDOMAIN` of Xen's start info flags (xen/interface/xen.h): this is the initial domain.
const SIF_INITDOMAIN: u32 = 1 << 1;
/// `XEN_PV_DOMAIN` and `XEN_HVM_DOMAIN` of `enum xen_domain_type` (xen/xen.h).
const XEN_PV_DOMAIN: c_uint = 1;
const XEN_HVM_DOMAIN: c_uint = 2;

/// Proves that this is the initial domain of Xen: whoever has one may call Xen. Only
/// [`initial_domain`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dom0(Dom0Kind);

impl Dom0 {
    /// Returns which kind it is.
    pub(crate) const fn kind(self) -> Dom0Kind {
        self.0
    }
}

/// What a dom0 is, as far as interrupts and configuration space go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dom0Kind {
    /// Paravirtualised: the kernel talks to Xen about interrupts, config space is the hardware's.
    Pv,
    /// PVH: Xen emulates the config space (vPCI) and must be notified of resets and GSIs.
    Pvh,
}

/// Returns the proof that this is an initial domain, or `None` anywhere else (bare metal, a guest).
pub(crate) fn initial_domain() -> Option<Dom0> {
    // SAFETY: Plain integers that the kernel writes only while it boots, long before a module can
    // be loaded; reading them races with nothing.
    let (domain_type, flags) = unsafe { (xen_domain_type, xen_start_flags) };
    if flags & SIF_INITDOMAIN == 0 {
        return None;
    }
    match domain_type {
        XEN_PV_DOMAIN => Some(Dom0(Dom0Kind::Pv)),
        // A dom0 that isn't PV is PVH: Xen builds no HVM dom0. (On Arm, where the notion doesn't
        // exist, every domain has this type.)
        XEN_HVM_DOMAIN => Some(Dom0(Dom0Kind::Pvh)),
        _ => None,
    }
}

extern "C" {
    // include/xen/xen.h; in the bindings of x86 only.
    static xen_domain_type: c_uint;
    static xen_start_flags: u32;
    // include/xen/pci.h; the argument is a `struct pci_dev *`.
    fn xen_find_device_domain_owner(device: *mut c_void) -> c_int;
    fn xen_register_device_domain_owner(device: *mut c_void, domain: u16) -> c_int;
    fn xen_unregister_device_domain_owner(device: *mut c_void) -> c_int;
}

/// Returns the domain that uses the device, by the kernel's list of device owners.
pub(crate) fn domain_of(device: &pci::Device) -> Option<DomId> {
    // SAFETY: The device is valid; the function compares its address with those in a list, under a
    // spinlock.
    let number = unsafe { xen_find_device_domain_owner(super::pci::raw(device).cast()) };
    u16::try_from(number).ok().and_then(DomId::new)
}

/// An entry in the kernel's list of device owners: a domain uses a device. Dropping it removes the
/// entry. (In a PV dom0 the kernel maps the device's interrupts to that domain.)
///
/// # Examples
///
/// ```ignore
/// let entry = DomainOwner::enter(device, domain)?;
/// drop(entry); // Nobody owns the device again.
/// ```
pub(crate) struct DomainOwner {
    device: ARef<pci::Device>,
    domain: DomId,
}

impl DomainOwner {
    /// Makes the entry.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the list has an owner of the device already.
    /// - `ENOMEM`: no memory.
    pub(crate) fn enter(device: &pci::Device, domain: DomId) -> Result<Self> {
        let result = fault::point("xen_register_device_domain_owner").and_then(|()| {
            // SAFETY: The device is valid, and stays so until the entry is taken out: it is
            // referenced.
            to_result(unsafe {
                xen_register_device_domain_owner(super::pci::raw(device).cast(), domain.number())
            })
        });
        match result {
            Ok(()) => Ok(Self {
                device: device.into(),
                domain,
            }),
            Err(EEXIST) => Err(EBUSY),
            // What the function says when it gets no memory (drivers/xen/pci.c).
            Err(ENODEV) => Err(ENOMEM),
            Err(error) => Err(error),
        }
    }

    /// Returns the domain.
    pub(crate) fn domain(&self) -> DomId {
        self.domain
    }
}

impl Drop for DomainOwner {
    fn drop(&mut self) {
        // SAFETY: The device is valid. The only error is that there is no entry.
        unsafe { xen_unregister_device_domain_owner(super::pci::raw(&self.device).cast()) };
    }
}
