// SPDX-License-Identifier: GPL-2.0

//! How a guest that gets a device can get its interrupts.

use super::intx::Gsi;
use core::fmt;

/// What a guest can have of a device's MSI-X.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Msix {
    /// All vectors: Xen has recorded the table for dom0.
    Prepared,
    /// All vectors but the last, by which the driver holds the table.
    Held(Table),
    /// None.
    None(Without),
}

/// Why a guest can have no MSI-X.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Without {
    /// The device has none.
    Capability,
    /// It has one vector only, which the driver would need to hold the table.
    SecondVector,
    /// The administrator switched it off (`hold_msix=0`).
    Wish,
    /// This Xen neither records a table for dom0 nor lets a PVH dom0 hold one.
    Xen,
    /// Its table isn't where the device has memory.
    Table,
    /// Xen lost the table, since an earlier guest used MSI.
    Lost,
    /// Xen refused to map a vector for dom0, with this errno (negative).
    Hold(i32),
}

/// What matters here of an MSI-X table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// The number of its entries.
    pub(crate) entries: u16,
    /// Its address.
    pub(crate) address: u64,
}

impl Table {
    /// The size of a page, which is what Xen write-protects.
    const PAGE: u64 = 4096;

    /// Returns `true` if the table begins in the middle of a page, so that other registers of the
    /// device are on the same page: a guest reads these as all ones while the table is held.
    const fn shares_page(self) -> bool {
        self.address % Self::PAGE != 0
    }
}

/// The interrupts of a claimed device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interrupts {
    /// The GSI that its legacy pin reaches, if any.
    pub(crate) gsi: Option<Gsi>,
    /// How a guest can get them.
    pub(crate) guest: GuestInterrupts,
}

/// How a guest can get a device's interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GuestInterrupts {
    /// By MSI-X.
    pub(crate) msix: Msix,
    /// Whether by MSI.
    pub(crate) msi: bool,
    /// Whether by the legacy pin.
    pub(crate) pin: bool,
}

impl GuestInterrupts {
    /// Of a device that has none, such as a bridge.
    pub(crate) const NONE: Self = Self {
        msix: Msix::None(Without::Capability),
        msi: false,
        pin: false,
    };

    /// Returns the best way, the first word of the attribute `guest_interrupts`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self {
                msix: Msix::Prepared | Msix::Held(_),
                ..
            } => "msi-x",
            Self { msi: true, .. } => "msi",
            Self { pin: true, .. } => "intx",
            _ => "none",
        }
    }

    /// Returns `true` if a guest doesn't get all that the device has.
    pub(crate) const fn lacks_something(self) -> bool {
        !matches!(self.msix, Msix::Prepared | Msix::None(Without::Capability))
    }

    /// Returns `true` if more is missing than the last vector or what the administrator switched
    /// off: a guest's driver would try what isn't there, and wait.
    pub(crate) const fn needs_warning(self) -> bool {
        match self.msix {
            Msix::Prepared | Msix::None(Without::Capability | Without::Wish) => false,
            Msix::Held(table) => table.shares_page(),
            Msix::None(_) => true,
        }
    }
}

impl fmt::Display for GuestInterrupts {
    /// Writes the way, and what is missing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.msix {
            Msix::Prepared | Msix::None(Without::Capability) => Ok(()),
            Msix::Held(table) => {
                write!(f, " (not the last of its {} vectors", table.entries)?;
                if table.shares_page() {
                    f.write_str("; nor the registers next to its table")?;
                }
                f.write_str(")")
            }
            Msix::None(Without::SecondVector) => f.write_str(" (no MSI-X: it has one vector only)"),
            Msix::None(Without::Wish) => f.write_str(" (no MSI-X: hold_msix=0)"),
            Msix::None(Without::Xen) => f.write_str(" (no MSI-X: this Xen can't give it)"),
            Msix::None(Without::Table) => f.write_str(" (no MSI-X: its table is in no memory BAR)"),
            Msix::None(Without::Lost) => {
                f.write_str(" (no MSI-X: Xen lost its table, remove the device and rescan the bus)")
            }
            Msix::None(Without::Hold(errno)) => {
                write!(f, " (no MSI-X: Xen maps no vector for dom0, error {errno})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        GuestInterrupts,
        Msix,
        Table,
        Without, //
    };

    fn guest(msix: Msix, msi: bool, pin: bool) -> GuestInterrupts {
        GuestInterrupts { msix, msi, pin }
    }

    fn held(entries: u16, address: u64) -> Msix {
        Msix::Held(Table { entries, address })
    }

    #[test]
    fn the_best_way_comes_first() {
        let none = Msix::None(Without::Capability);
        assert_eq!(guest(Msix::Prepared, true, true).to_string(), "msi-x");
        assert!(!guest(Msix::Prepared, true, true).lacks_something());
        assert!(!guest(none, true, true).lacks_something());
        assert_eq!(guest(none, true, true).to_string(), "msi");
        assert_eq!(guest(none, false, true).to_string(), "intx");
        assert_eq!(guest(none, false, false).to_string(), "none");
        assert_eq!(GuestInterrupts::NONE.to_string(), "none");
    }

    #[test]
    fn what_is_missing_is_said_in_brackets_after_the_way() {
        for msix in [
            held(65, 0),
            held(2, 0x800),
            Msix::None(Without::SecondVector),
            Msix::None(Without::Wish),
            Msix::None(Without::Xen),
            Msix::None(Without::Table),
            Msix::None(Without::Lost),
            Msix::None(Without::Hold(-28)),
        ] {
            let guest = guest(msix, false, true);
            assert!(guest.lacks_something());
            let text = guest.to_string();
            let (name, missing) = text.split_once(' ').unwrap();
            assert_eq!(name, guest.name());
            assert!(missing.starts_with('(') && missing.ends_with(')'), "{text}");
        }
    }

    #[test]
    fn only_what_a_guest_would_stumble_over_is_warned_of() {
        let warns = |msix| guest(msix, true, true).needs_warning();
        assert!(!warns(Msix::Prepared));
        assert!(!warns(Msix::None(Without::Capability)));
        assert!(!warns(Msix::None(Without::Wish)));
        assert!(!warns(held(65, 0)));
        assert!(!warns(held(65, 0x2000)));
        assert!(warns(held(65, 0x2010)));
        assert!(warns(Msix::None(Without::SecondVector)));
        assert!(warns(Msix::None(Without::Xen)));
        assert!(warns(Msix::None(Without::Table)));
        assert!(warns(Msix::None(Without::Lost)));
        assert!(warns(Msix::None(Without::Hold(-28))));
    }
}
