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

/// How to run the chosen method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Call the kernel's FLR directly, wherever it stands in the list.
    Flr,
    /// Let the kernel walk its list, whose first entry is this method: the kernel exports no way
    /// to call it alone.
    FirstListed(Method),
}

impl Run {
    /// Returns the method that this runs.
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Flr => Method::Flr,
            Self::FirstListed(method) => method,
        }
    }
}

/// Chooses the function-level reset to use, given the kernel's list (ended by 0 or by its length).
///
/// Returns `None` where no function-level method is listed, or none that can be run without
/// running a weaker one that the list puts before it.
pub(crate) fn choose_function_level(listed: &[u8]) -> Option<Run> {
    listed
        .iter()
        .take_while(|number| **number != 0)
        .enumerate()
        .find_map(|(place, number)| match Method::from_kernel(*number)? {
            Method::Flr => Some(Run::Flr),
            first if place == 0 && first.is_function_level() => Some(Run::FirstListed(first)),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::{choose_function_level, Method, Run};

    #[test]
    fn empty_means_none() {
        assert_eq!(choose_function_level(&[]), None);
        assert_eq!(choose_function_level(&[0, 3, 3]), None);
    }

    #[test]
    fn devices_of_the_lab() {
        assert_eq!(choose_function_level(&[3, 5, 6, 0]), Some(Run::Flr)); // igb
        assert_eq!(choose_function_level(&[3, 6, 0]), Some(Run::Flr)); // nvme
        assert_eq!(choose_function_level(&[5, 6, 0]), None); // e1000e
        assert_eq!(choose_function_level(&[6, 0]), None); // xhci
    }

    /// Every list of up to four kernel numbers, known or not.
    #[test]
    fn the_choice_is_listed_function_level_and_first_of_its_kind() {
        for code in 0..10u32.pow(4) {
            let list: Vec<u8> = (0..4).map(|i| (code / 10u32.pow(i) % 10) as u8).collect();
            let wanted: Vec<u8> = list.iter().copied().take_while(|n| *n != 0).collect();
            let flr_at = wanted.iter().position(|n| *n == 3);
            match choose_function_level(&list) {
                Some(Run::Flr) => {
                    assert!(flr_at.is_some());
                    let first = Method::from_kernel(wanted[0]);
                    assert!(flr_at == Some(0) || !first.is_some_and(Method::is_function_level));
                }
                Some(Run::FirstListed(method)) => {
                    assert_eq!(Method::from_kernel(wanted[0]), Some(method));
                    assert!(method.is_function_level() && method != Method::Flr);
                }
                None => {
                    assert_eq!(flr_at, None);
                    let first = wanted.first().and_then(|n| Method::from_kernel(*n));
                    assert!(!first.is_some_and(Method::is_function_level));
                }
            }
        }
    }
}
