// SPDX-License-Identifier: GPL-2.0

//! The address of a PCI function: segment (Linux says domain), bus, device and function.

use core::fmt;

/// The address of one PCI function.
///
/// Linux numbers PCI domains with an `int` and hands out numbers above 16 bits (VMD does), while
/// PCI Express segment groups and Xen's interface have 16 bits: [`Sbdf::xen_segment`] is where the
/// two part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sbdf {
    domain: u32,
    bus: u8,
    devfn: u8,
}

impl Sbdf {
    /// Takes a domain, a bus and a `devfn` as the kernel packs it (device in bits 7-3, function in
    /// bits 2-0).
    pub(crate) const fn new(domain: u32, bus: u8, devfn: u8) -> Self {
        Self { domain, bus, devfn }
    }

    /// Unpacks the 32-bit form of Xen's interface (`pci_sbdf_t`: segment, bus, devfn from the top).
    pub(crate) const fn from_xen(packed: u32) -> Self {
        let [devfn, bus, low, high] = packed.to_le_bytes();
        Self::new(u16::from_le_bytes([low, high]) as u32, bus, devfn)
    }

    /// Returns the domain.
    pub(crate) const fn domain(self) -> u32 {
        self.domain
    }

    /// Returns a number by which addresses are in their order. (That of a 32-bit machine would lack
    /// the upper half of the domain.)
    pub(crate) const fn rank(self) -> usize {
        ((self.domain as usize) << 16) | ((self.bus as usize) << 8) | self.devfn as usize
    }

    /// Returns another function of the same bus.
    pub(crate) const fn with_devfn(self, devfn: u8) -> Self {
        Self { devfn, ..self }
    }

    /// Returns the bus number.
    pub(crate) const fn bus(self) -> u8 {
        self.bus
    }

    /// Returns device and function packed as the kernel does.
    pub(crate) const fn devfn(self) -> u8 {
        self.devfn
    }

    /// Returns the device number on its bus, 0 to 31.
    pub(crate) const fn slot(self) -> u8 {
        self.devfn >> 3
    }

    /// Returns the function number, 0 to 7.
    pub(crate) const fn function(self) -> u8 {
        self.devfn & 7
    }

    /// Returns the segment as Xen's 16-bit interface can name it, or `None` above 0xffff.
    pub(crate) const fn xen_segment(self) -> Option<u16> {
        if self.domain <= 0xffff {
            Some(self.domain as u16)
        } else {
            None
        }
    }
}

impl fmt::Display for Sbdf {
    /// Writes the kernel's own name of a device, `%04x:%02x:%02x.%d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04x}:{:02x}:{:02x}.{}",
            self.domain,
            self.bus,
            self.slot(),
            self.function()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Sbdf;

    #[test]
    fn every_devfn_splits_and_joins() {
        for devfn in 0..=255u8 {
            let sbdf = Sbdf::new(0, 0, devfn);
            assert_eq!(sbdf.slot() * 8 + sbdf.function(), devfn);
            assert!(sbdf.slot() < 32 && sbdf.function() < 8);
        }
    }

    #[test]
    fn xen_form_is_unpacked() {
        assert_eq!(Sbdf::from_xen(0x1234_56fa), Sbdf::new(0x1234, 0x56, 0xfa));
        assert_eq!(Sbdf::from_xen(0), Sbdf::new(0, 0, 0));
    }

    #[test]
    fn ranks_are_in_the_order_of_addresses() {
        let of = |domain, bus, devfn| Sbdf::new(domain, bus, devfn);
        assert_eq!(of(0x1234, 0x56, 0xfa).rank(), 0x1234_56fa);
        let ordered = [of(0, 0, 0xff), of(0, 1, 0), of(0, 0xff, 1), of(1, 0, 0)];
        assert!(ordered.is_sorted());
        assert!(ordered.map(Sbdf::rank).is_sorted_by(|one, two| one < two));
    }

    #[test]
    fn a_domain_has_all_its_bits() {
        assert_eq!(Sbdf::new(0x1_0002, 3, 4).domain(), 0x1_0002);
    }

    #[test]
    fn segments_end_at_sixteen_bits() {
        assert_eq!(Sbdf::new(0xffff, 0, 0).xen_segment(), Some(0xffff));
        assert_eq!(Sbdf::new(0x1_0000, 0, 0).xen_segment(), None);
    }

    #[test]
    fn prints_as_the_kernel_names_devices() {
        assert_eq!(Sbdf::new(0, 3, 0x0a).to_string(), "0000:03:01.2");
        assert_eq!(Sbdf::new(0x10000, 0xe1, 0xff).to_string(), "10000:e1:1f.7");
    }
}
