// SPDX-License-Identifier: GPL-2.0

//! The reset methods that the kernel lists for a device.
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
    /// A round trip through D3hot. It cleans little, so it is a last resort and reported as weak.
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

    /// Returns `true` if the method resets exactly one function and does reset it.
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

/// The methods that the kernel lists for a device, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed([u8; Listed::LEN]);

impl Listed {
    /// Entries of the kernel's list (`PCI_NUM_RESET_METHODS`); it is ended by 0 or by its length.
    pub(crate) const LEN: usize = 8;

    /// Takes the kernel's numbers.
    pub(crate) const fn new(numbers: [u8; Self::LEN]) -> Self {
        Self(numbers)
    }

    /// Returns a list that the kernel reads as that of one method, with this one kept behind its
    /// end, where the kernel keeps nothing.
    pub(crate) const fn narrowed(self, method: Method) -> Self {
        let [a, b, c, d, e, f, ..] = self.0;
        Self([method.kernel_number(), 0, a, b, c, d, e, f])
    }

    /// Returns the list that was narrowed, or this one if none was.
    pub(crate) const fn widened(self) -> Self {
        match self.0 {
            // An emptied list begins with 0 and keeps the rest, too.
            [only, 0, a, b, c, d, e, f] if only != 0 && a != 0 => Self([a, b, c, d, e, f, 0, 0]),
            _ => self,
        }
    }

    /// Returns the kernel's numbers.
    pub(crate) const fn numbers(self) -> [u8; Self::LEN] {
        self.0
    }

    /// Returns `true` if nothing is listed.
    pub(crate) fn is_empty(self) -> bool {
        self.0.first() == Some(&0)
    }

    /// Yields the methods that this driver knows.
    pub(crate) fn methods(self) -> impl Iterator<Item = Method> {
        self.0
            .into_iter()
            .take_while(|number| *number != 0)
            .filter_map(Method::from_kernel)
    }

    /// Yields those that reset one function, wherever they stand among others.
    pub(crate) fn function_level(self) -> impl Iterator<Item = Method> {
        self.methods().filter(|method| method.is_function_level())
    }

    /// Returns `true` if a method is listed.
    pub(crate) fn has(self, method: Method) -> bool {
        self.methods().any(|listed| listed == method)
    }

    /// Returns `true` if resets that reach a whole bus are listed.
    pub(crate) fn has_bus(self) -> bool {
        self.has(Method::Bus) || self.has(Method::CxlBus)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Listed,
        Method, //
    };

    fn function_level(numbers: [u8; 8]) -> Vec<Method> {
        Listed::new(numbers).function_level().collect()
    }

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
        assert!(Listed::new([0; 8]).is_empty());
        assert!(Listed::new([0, 3, 3, 0, 0, 0, 0, 0]).is_empty());
        assert_eq!(function_level([0, 3, 3, 0, 0, 0, 0, 0]), []);
        assert!(!Listed::new([7, 0, 0, 0, 0, 0, 0, 0]).is_empty());
    }

    #[test]
    fn devices_of_the_lab() {
        use Method::{
            Bus,
            Flr,
            Pm, //
        };
        assert_eq!(function_level([3, 5, 6, 0, 0, 0, 0, 0]), [Flr]); // igb
        assert_eq!(function_level([3, 6, 0, 0, 0, 0, 0, 0]), [Flr]); // nvme
        assert_eq!(function_level([5, 6, 0, 0, 0, 0, 0, 0]), []); // e1000e
        assert_eq!(function_level([6, 0, 0, 0, 0, 0, 0, 0]), []); // xhci
        assert_eq!(function_level([5, 3, 0, 0, 0, 0, 0, 0]), [Flr]); // edited
        let e1000e = Listed::new([5, 6, 0, 0, 0, 0, 0, 0]);
        assert!(e1000e.has(Pm) && e1000e.has(Bus) && e1000e.has_bus() && !e1000e.has(Flr));
    }

    #[test]
    fn a_narrowed_list_reads_as_one_and_keeps_the_rest() {
        for numbers in [
            [1, 2, 3, 4, 5, 6, 0, 0],
            [5, 6, 0, 0, 0, 0, 0, 0],
            [4, 0, 0, 0, 0, 0, 0, 0],
        ] {
            let list = Listed::new(numbers);
            let narrowed = list.narrowed(Method::Pm);
            assert!(narrowed.methods().eq([Method::Pm]));
            let [only, end, rest @ ..] = narrowed.numbers();
            assert_eq!((only, end), (5, 0));
            assert_eq!(rest, numbers[..6]);
            assert_eq!(narrowed.widened(), list);
            assert_eq!(list.widened(), list);
        }
        let emptied = Listed::new([0, 6, 0, 0, 0, 0, 0, 0]);
        assert_eq!(emptied.widened(), emptied);
    }

    /// Every list of up to four kernel numbers, known or not.
    #[test]
    fn function_level_methods_are_yielded_in_the_order_listed() {
        // Fewer for an interpreter.
        for code in (0..10u32.pow(4)).step_by(if cfg!(miri) { 97 } else { 1 }) {
            let mut numbers = [0; 8];
            for (i, number) in numbers.iter_mut().take(4).enumerate() {
                *number = (code / 10u32.pow(i as u32) % 10) as u8;
            }
            let wanted: Vec<u8> = numbers.iter().copied().take_while(|n| *n != 0).collect();
            // 1 to 4 are device_specific, acpi, flr and af_flr.
            let expected: Vec<u8> = wanted
                .iter()
                .copied()
                .filter(|n| (1..=4).contains(n))
                .collect();
            let found: Vec<u8> = function_level(numbers)
                .iter()
                .map(|m| m.kernel_number())
                .collect();
            assert_eq!(found, expected, "{numbers:?}");
        }
    }
}
