// SPDX-License-Identifier: GPL-2.0

//! `crate::kapi`.

pub(crate) use super::{pci, workqueue};

/// Calls that fail on demand: none does here.
pub(crate) mod fault {
    use super::super::prelude::Result;

    pub(crate) fn point(_: &str) -> Result {
        Ok(())
    }
}

/// The chain of power management.
pub(crate) mod notifier {
    use super::super::prelude::Result;
    use core::marker::PhantomData;

    pub(crate) trait PmListener {
        fn about_to_sleep() -> Result;
        fn woke();
    }

    pub(crate) struct PmRegistration<T: PmListener>(PhantomData<T>);
}

/// The clock, which goes on whenever it is looked at.
pub(crate) mod clock {
    pub(crate) use super::super::context::now;
}

/// Which domain uses a device, by the kernel's list.
pub(crate) mod xen {
    use super::super::{
        alloc::allocate,
        pci::Device,
        prelude::{Result, EBUSY},
    };
    use crate::pure::domid::DomId;

    #[derive(Clone, Copy)]
    pub(crate) struct Dom0;

    pub(crate) fn domain_of(device: &Device) -> Option<DomId> {
        *device.owner()
    }

    /// An entry.
    pub(crate) struct DomainOwner {
        device: Device,
        domain: DomId,
    }

    impl DomainOwner {
        pub(crate) fn enter(device: &Device, domain: DomId) -> Result<Self> {
            allocate()?;
            let mut owner = device.owner();
            if owner.is_some() {
                return Err(EBUSY);
            }
            *owner = Some(domain);
            Ok(Self {
                device: device.clone(),
                domain,
            })
        }

        pub(crate) fn domain(&self) -> DomId {
            self.domain
        }
    }

    impl Drop for DomainOwner {
        fn drop(&mut self) {
            *self.device.owner() = None;
        }
    }
}

pub(crate) mod global {
    /// Declares values with their locks, anew for each schedule.
    macro_rules! global {
        ($($(#[$meta:meta])* static $name:ident($lock:ident): $kind:ident<$type:ty> = $value:expr;)+) => {
            $(shuttle::lazy_static! {
                $(#[$meta])*
                static ref $name: $crate::sync::$kind<$type> = $crate::sync::$kind::new($value);
            })+
        };
    }
    pub(crate) use global;
}
