// SPDX-License-Identifier: GPL-2.0

//! Devices that are known for trouble with resets which the kernel doesn't see.

use crate::{
    driver::pure::{
        reset_method::Method,
        reset_plan::Rung, //
    },
    machine::Device, //
};

/// One kind of device.
struct Known {
    /// Its vendor.
    vendor: u16,
    /// Its class.
    class: u8,
    /// Parts of its names in pci.ids, any of them.
    names: &'static [&'static str],
    /// The rungs with which there is the trouble; `None` stands for no way to reset it.
    with: &'static [Option<Rung>],
    text: &'static str,
    mend: &'static str,
}

const PM: Rung = Rung::Function(Method::Pm);

const KNOWN: [Known; 2] = [
    // Sources: QubesOS/qubes-issues#9356 and #11048.
    Known {
        vendor: 0x8086,
        class: 0x02,
        names: &["I219-"],
        with: &[None, Some(PM)],
        text: "it has FLR, but its list of capabilities doesn't lead there (an erratum), so the kernel \
               resets it weakly or not at all.",
        mend: "Give it to one guest only, or use a kernel with a reset for it, as Qubes has for I219-LM",
    },
    // Source: the list of github.com/gnif/vendor-reset, whose module has the kernel list
    // device_specific for them.
    Known {
        vendor: 0x1002,
        class: 0x03,
        names: &[
            "Ellesmere", "Baffin", "Lexa", "Vega 10", "Vega 12", "Vega 20", "Navi 10", "Navi 12",
            "Navi 14",
        ],
        with: &[None, Some(Rung::Slot), Some(Rung::Bus), Some(PM)],
        text: "this family often doesn't work again after a bus reset, until the machine was off.",
        mend: "Shut its guest down from inside; the module vendor-reset has a reset for it",
    },
];

/// Returns what is known of a device that would be reset by that rung, and what to do.
pub(super) fn trouble(device: &Device, rung: Option<Rung>) -> Option<(&'static str, &'static str)> {
    let class = device.ids.class >> 16;
    let named = |known: &Known| {
        let mut names = known.names.iter();
        names.any(|name| device.names.device.contains(name))
    };
    let known = KNOWN.iter().find(|known| {
        known.vendor == device.ids.vendor
            && u32::from(known.class) == class
            && known.with.contains(&rung)
            && named(known)
    })?;
    Some((known.text, known.mend))
}
