// SPDX-License-Identifier: GPL-2.0

//! Safe code that misuses the wrappers in a way that no type refuses, so that it must be harmless.
//!
//! `tools/build misuse-run` builds it into a copy of the module, where it registers a driver of its
//! own, which takes no device. tests/vm/test_misuse.py uses the attributes of that.

#![deny(unsafe_code)]

use crate::{
    device::{
        saved_state::SavedState,
        workers::spawn, //
    },
    kapi::{
        attr::{
            attribute_groups,
            DeviceAttribute,
            DriverAttribute,
            DriverStore,
            Groups,
            LargeShow, //
        },
        compat,
        notifier::{
            BusListener,
            BusRegistration, //
        },
        pci::{
            attach,
            CfgLocked,
            DeviceExt,
            DeviceLocks,
            EnableCount,
            Locked,
            PciDevices,
            Registered, //
        },
        pci_driver::{
            Adapter,
            Attributes,
            StubDriver, //
        },
        xen::DomainOwner, //
    },
    pure::{
        bdf_grammar::parse_pattern,
        domid::DomId,
        error_recovery::{
            Channel,
            ErsResult, //
        },
    },
    sysfs, //
};
use kernel::{
    bindings,
    device::Core,
    driver,
    ffi::c_int,
    pci,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
    },
    ThisModule, //
};

const NAME: &CStr = c"misuse";

/// What is registered.
#[pin_data]
pub(crate) struct Parts {
    #[pin]
    watcher: BusRegistration<Watcher>,
    #[pin]
    driver: driver::Registration<Adapter<Misuse>>,
}

impl Parts {
    pub(crate) fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        init_locks();
        try_pin_init!(Self {
            driver <- driver::Registration::new(NAME, module),
            watcher <- BusRegistration::new(),
        })
    }
}

/// The driver.
struct Misuse;

impl pci::Driver for Misuse {
    type IdInfo = ();
    type Data<'bound> = ();

    const ID_TABLE: pci::IdTable<()> = &compat::ANY_DEVICE;

    fn probe<'bound>(
        _: &'bound pci::Device<Core<'_>>,
        _: compat::IdInfo<'bound>,
    ) -> impl PinInit<(), Error> + 'bound {
        // An error that nothing else answers with.
        Err::<(), _>(if HASTY.load(Relaxed) { EXDEV } else { ENODEV })
    }
}

attribute_groups!(DRIVER: DriverAttribute, None, [
    GONE = DriverAttribute::write_only::<Gone>(),
    HASTE = DriverAttribute::write_only::<Haste>(),
    OWNER = DriverAttribute::write_only::<Entry>(),
], [
    OVERFULL = LargeAttribute::read_only::<Overfull>(),
]);

impl Attributes for Misuse {
    const DRIVER_GROUPS: &'static Groups<DriverAttribute> = &DRIVER;
    const DEVICE_GROUPS: &'static Groups<DeviceAttribute> = &sysfs::device::GROUPS;
}

impl StubDriver for Misuse {
    fn error_detected(_: &Locked<'_>, _: Channel) -> ErsResult {
        ErsResult::Disconnect
    }

    fn slot_reset(_: &Locked<'_>) -> ErsResult {
        ErsResult::Disconnect
    }

    fn resume(_: &Locked<'_>) {}

    fn reset_prepare(_: &CfgLocked<'_>) {}

    fn reset_done(_: &CfgLocked<'_>) {}
}

/// `overfull`: says that it filled twice the room that there is.
struct Overfull;

impl LargeShow for Overfull {
    const NAME: &'static CStr = c"overfull";

    fn read(pos: usize, out: &mut [u8]) -> Result<usize> {
        out.fill(b'.');
        Ok(if pos == 0 {
            out.len().saturating_mul(2)
        } else {
            0
        })
    }
}

crate::kapi::global::global! {
    /// The device that is kept while it is removed.
    static KEPT(KEPT_DEVICE): Mutex<Option<ARef<pci::Device>>> = None;
}

/// `gone`: an address takes a reference to that device, "look" locks it and uses it, "drop" gives it
/// back.
struct Gone;

impl DriverStore for Gone {
    const NAME: &'static CStr = c"gone";

    fn store(text: &[u8]) -> Result {
        let kept = match text {
            b"drop" => None,
            b"look" => {
                let kept = KEPT.lock().clone();
                return look(kept.ok_or(ENODEV)?);
            }
            address => {
                let wanted = parse_pattern(address).map_err(|_| EINVAL)?;
                PciDevices::while_they_change().find(|device| wanted.covers(device.sbdf()))
            }
        };
        let before = core::mem::replace(&mut *KEPT.lock(), kept);
        drop(before);
        Ok(())
    }
}

/// Asks all that leads to a device's registers, and from a virtual function to its physical one.
fn look(device: ARef<pci::Device>) -> Result {
    let mut list = KVec::new();
    list.push(device, GFP_KERNEL)?;
    let locks = DeviceLocks::new(list);
    let device = locks.get(0).ok_or(EINVAL)?;
    let errno = |result: Result| result.map_or_else(Error::to_errno, |()| 0);
    pr_info!(
        "misuse: physical_function {}, is_present {}, wake {}, save {}, enable {}, memory {}, power {}, \
         vendor {:x}\n",
        u8::from(device.physical_function().is_some()),
        u8::from(device.is_present()),
        errno(device.wake()),
        errno(SavedState::save(&device).map(drop)),
        errno(EnableCount::new(&device).map(drop)),
        u8::from((0..7).any(|bar| {
            device.memory(bar).is_some()
                || device.assigned(bar).is_some()
                || device.region(bar).is_some()
        })),
        errno(device.write_power_state(0)),
        device.read_u16(bindings::PCI_VENDOR_ID as c_int),
    );
    Ok(())
}

/// Whether devices that appear are wanted at once.
static HASTY: Atomic<bool> = Atomic::new(false);

/// `haste`: "1" has the driver attached to devices that appear, as soon as they are in the bus's
/// list; "0" no more.
struct Haste;

impl DriverStore for Haste {
    const NAME: &'static CStr = c"haste";

    fn store(text: &[u8]) -> Result {
        HASTY.store(text == b"1", Relaxed);
        Ok(())
    }
}

/// Sees devices appear.
pub(crate) struct Watcher;

impl BusListener for Watcher {
    fn added(device: Registered<'_>) {
        if !HASTY.load(Relaxed) {
            return;
        }
        let device: ARef<pci::Device> = (&*device).into();
        let wanted = spawn(move || {
            // The driver core says so until it has added the device. The bus is not ready then.
            let answer = loop {
                match attach(&device, NAME) {
                    Err(EAGAIN) => {}
                    answer => break answer,
                }
            };
            let errno = answer.map_or_else(Error::to_errno, |()| 0);
            pr_info!("misuse: attached: {errno}\n");
        });
        if wanted.is_err() {
            pr_err!("misuse: no memory\n");
        }
    }
}

/// `owner`: enters a device in the kernel's books.
struct Entry;

impl DriverStore for Entry {
    const NAME: &'static CStr = c"owner";

    fn store(_: &[u8]) -> Result {
        let device = PciDevices::while_they_change().next().ok_or(ENOENT)?;
        let domain = DomId::new(1).ok_or(EINVAL)?;
        DomainOwner::enter(&device, domain).map(drop)
    }
}
