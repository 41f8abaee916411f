// SPDX-License-Identifier: GPL-2.0

//! Choosing a function-level reset from the methods that the kernel lists for a device.
//!
//! The kernel keeps, per device, the methods that it found and that the administrator left in the
//! `reset_method` attribute, in order of preference. An empty list means that resets are not
//! wanted; what is not listed is never used.

use core::fmt;

/// A reset method of the kernel, numbered as in `pci_reset_fn_methods` (drivers/pci/pci.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// A quirk of the kernel for this very device.
    DeviceSpecific,
    /// The firmware's `_RST` method.
    Acpi,
    /// Function Level Reset, PCIe r6.0 sec 6.6.2.
    Flr,
    /// Function Level Reset of conventional PCI's Advanced Features capability.
    AfFlr,
    /// A round trip through D3hot. It resets little, so it is not counted as a reset here.
    Pm,
    /// A secondary bus reset, which the kernel offers where nothing else is on the bus.
    Bus,
    /// The same below a CXL port.
    CxlBus,
}

impl Method {
    /// Returns the method with the kernel's number, or `None` for one that this driver doesn't
    /// know (0 ends the kernel's list).
    pub(crate) const fn from_kernel(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::DeviceSpecific),
            2 => Some(Self::Acpi),
            3 => Some(Self::Flr),
            4 => Some(Self::AfFlr),
            5 => Some(Self::Pm),
            6 => Some(Self::Bus),
            7 => Some(Self::CxlBus),
            _ => None,
        }
    }

    /// Returns the kernel's number.
    pub(crate) const fn kernel_number(self) -> u8 {
        match self {
            Self::DeviceSpecific => 1,
            Self::Acpi => 2,
            Self::Flr => 3,
            Self::AfFlr => 4,
            Self::Pm => 5,
            Self::Bus => 6,
            Self::CxlBus => 7,
        }
    }

    /// Tells whether the method resets exactly one function and does reset it.
    pub(crate) const fn is_function_level(self) -> bool {
        matches!(
            self,
            Self::DeviceSpecific | Self::Acpi | Self::Flr | Self::AfFlr
        )
    }

    /// Returns the kernel's word for the method, as in `reset_method`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::DeviceSpecific => "device_specific",
            Self::Acpi => "acpi",
            Self::Flr => "flr",
            Self::AfFlr => "af_flr",
            Self::Pm => "pm",
            Self::Bus => "bus",
            Self::CxlBus => "cxl_bus",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Chooses the function-level reset to use, given the kernel's list (ended by 0 or by its length):
/// the first that is listed, wherever it stands among others.
///
/// Returns `None` where no function-level method is listed.
pub(crate) fn choose_function_level(listed: &[u8]) -> Option<Method> {
    listed
        .iter()
        .take_while(|number| **number != 0)
        .filter_map(|number| Method::from_kernel(*number))
        .find(|method| method.is_function_level())
}

#[cfg(test)]
mod tests {
    use super::{choose_function_level, Method};

    #[test]
    fn numbers_are_the_kernels() {
        for number in 0..=255u8 {
            let method = Method::from_kernel(number);
            assert_eq!(method.is_some(), (1..=7).contains(&number));
            assert!(method.is_none_or(|method| method.kernel_number() == number));
        }
    }

    #[test]
    fn empty_means_none() {
        assert_eq!(choose_function_level(&[]), None);
        assert_eq!(choose_function_level(&[0, 3, 3]), None);
    }

    #[test]
    fn devices_of_the_lab() {
        assert_eq!(choose_function_level(&[3, 5, 6, 0]), Some(Method::Flr)); // igb
        assert_eq!(choose_function_level(&[3, 6, 0]), Some(Method::Flr)); // nvme
        assert_eq!(choose_function_level(&[5, 6, 0]), None); // e1000e
        assert_eq!(choose_function_level(&[6, 0]), None); // xhci
        assert_eq!(choose_function_level(&[5, 3, 0]), Some(Method::Flr)); // edited
    }

    /// Every list of up to four kernel numbers, known or not.
    #[test]
    fn the_choice_is_the_first_function_level_method_listed() {
        for code in 0..10u32.pow(4) {
            let list: Vec<u8> = (0..4).map(|i| (code / 10u32.pow(i) % 10) as u8).collect();
            let wanted: Vec<u8> = list.iter().copied().take_while(|n| *n != 0).collect();
            // 1 to 4 are device_specific, acpi, flr and af_flr.
            let expected = wanted.iter().copied().find(|n| (1..=4).contains(n));
            let chosen = choose_function_level(&list).map(Method::kernel_number);
            assert_eq!(chosen, expected, "{list:?}");
        }
    }
}
