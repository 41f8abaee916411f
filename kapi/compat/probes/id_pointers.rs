// SPDX-License-Identifier: GPL-2.0

//! Builds where IDs hold pointers to their data, and `probe` gets an `Option` (Linux 7.3).

use kernel::{
    device::Core,
    device_id::IdArray,
    pci,
    prelude::*, //
};

struct Probe;

const IDS: IdArray<pci::DeviceId, (), 1> = IdArray::new([(pci::DeviceId::from_class(0, 0), &())]);

impl pci::Driver for Probe {
    type IdInfo = ();
    type Data<'bound> = Self;

    const ID_TABLE: pci::IdTable<()> = &IDS;

    fn probe<'bound>(
        _: &'bound pci::Device<Core<'_>>,
        _: Option<&'bound ()>,
    ) -> impl PinInit<Self, Error> + 'bound {
        Ok(Self)
    }
}
