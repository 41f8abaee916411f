// SPDX-License-Identifier: GPL-2.0

//! How a legacy interrupt pin travels from a function to the interrupt controller.

/// A legacy interrupt pin, INTA# to INTD#.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pin(u8);

impl Pin {
    /// Takes the value of a function's Interrupt Pin register: 1 to 4, 0 for "uses none"; other
    /// values are reserved (PCI 3.0 sec 6.2.4) and count as none.
    pub(crate) const fn from_register(value: u8) -> Option<Self> {
        match value {
            1..=4 => Some(Self(value - 1)),
            _ => None,
        }
    }

    /// Returns the pin as ACPI's routing table numbers it, INTA# being 0 (ACPI 6.5 sec 6.2.13).
    pub(crate) const fn acpi(self) -> u32 {
        self.0 as u32
    }

    /// Returns the pin of the bridge's bus that a device's pin reaches on the other side of a
    /// PCI-to-PCI bridge (bridge spec 1.2 table 9-1): rotated by the device number.
    pub(crate) const fn swizzle(self, slot: u8) -> Self {
        Self(((self.0 as u16 + slot as u16) % 4) as u8)
    }
}

/// How an interrupt line signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signalling {
    pub(crate) edge_triggered: bool,
    pub(crate) active_high: bool,
}

/// A global system interrupt and how its line signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gsi {
    pub(crate) number: u32,
    pub(crate) signalling: Signalling,
}

/// Where a routing table entry leads, as far as the decision needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Wired to this global system interrupt.
    Fixed(u32),
    /// Through a link device, which has to be asked.
    Link,
    /// Through a link device in a way that the kernel doesn't support either (a source index
    /// other than 0).
    Unsupported,
}

/// Returns `true` if a routing table entry (`_PRT`) is the one for a device number and pin.
///
/// `address` holds the device number in its upper 16 bits and covers all functions.
pub(crate) const fn entry_matches(address: u64, entry_pin: u32, slot: u8, pin: Pin) -> bool {
    (address >> 16) & 0xffff == slot as u64 && entry_pin == pin.acpi()
}

/// Reads where a matching entry leads; `named_source` says whether it names a link device.
pub(crate) const fn route(named_source: bool, source_index: u32) -> Route {
    match (named_source, source_index) {
        (false, gsi) => Route::Fixed(gsi),
        (true, 0) => Route::Link,
        (true, _) => Route::Unsupported,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        entry_matches,
        route,
        Pin,
        Route, //
    };

    #[test]
    fn registers_other_than_one_to_four_are_no_pin() {
        for value in 0..=255u8 {
            let pin = Pin::from_register(value);
            assert_eq!(pin.is_some(), (1..=4).contains(&value));
            if let Some(pin) = pin {
                assert_eq!(pin.acpi(), u32::from(value) - 1);
            }
        }
    }

    /// The kernel's formula (pci_swizzle_interrupt_pin): `(((pin - 1) + slot) % 4) + 1`.
    #[test]
    fn swizzle_equals_the_bridge_specification() {
        for register in 1..=4u8 {
            for slot in 0..=31u8 {
                let expected = (u32::from(register) - 1 + u32::from(slot)) % 4;
                let pin = Pin::from_register(register).unwrap();
                assert_eq!(pin.swizzle(slot).acpi(), expected);
            }
        }
    }

    #[test]
    fn entries_match_device_and_pin_only() {
        let pin = Pin::from_register(2).unwrap();
        assert!(entry_matches(0x0003_ffff, 1, 3, pin));
        assert!(!entry_matches(0x0003_ffff, 0, 3, pin));
        assert!(!entry_matches(0x0004_ffff, 1, 3, pin));
    }

    #[test]
    fn routes() {
        assert_eq!(route(false, 23), Route::Fixed(23));
        assert_eq!(route(true, 0), Route::Link);
        assert_eq!(route(true, 1), Route::Unsupported);
    }
}
