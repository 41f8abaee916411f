// SPDX-License-Identifier: GPL-2.0

//! What is wanted and isn't done, and why.

use super::{
    identity::{
        Id,
        Place, //
    },
    store::Force, //
};
use crate::driver::pure::sbdf::Sbdf;
use std::fmt;

/// Something that is wanted and isn't done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The address that it is about.
    pub(crate) address: Sbdf,
    /// Who wants it.
    pub(crate) source: String,
    /// Why.
    pub(crate) why: Why,
}

/// Why a device isn't claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// There is no device at the address, or at the place.
    Absent(Option<Place>),
    /// Another device is there.
    OtherId {
        /// What is there.
        found: Id,
        /// What is wanted.
        wanted: Id,
    },
    /// What is at the place has this address now, and no id says that it is the same device.
    OtherAddress(Sbdf),
    /// It is a bridge.
    Bridge,
    /// It holds the root file system.
    Root,
    /// It may hold the root file system.
    PerhapsRoot,
    /// No display device would be left.
    Gpu,
    /// No network card in use would be left.
    Network,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(None) => f.write_str("there is no device at this address")?,
            Self::Absent(Some(place)) => write!(f, "there is no device at {place}")?,
            Self::OtherId { found, wanted } => {
                write!(f, "the device there is {found}, not {wanted}")?;
            }
            Self::OtherAddress(address) => write!(
                f,
                "the device at its place has the address {address} now; add its id= or correct address="
            )?,
            Self::Bridge => f.write_str("it is a bridge; name what is below it")?,
            Self::Root => f.write_str("it holds the root file system")?,
            Self::PerhapsRoot => f.write_str(
                "it may hold the root file system, for it isn't known which device does; make the \
                 initramfs again on the running machine, or use force=root",
            )?,
            Self::Gpu => f.write_str("it has the console and no display device would be left")?,
            Self::Network => f.write_str("no network card in use would be left")?,
        }
        match self {
            Self::PerhapsRoot => Ok(()),
            _ => match self.force() {
                Some(force) => write!(f, "; force={force} claims it all the same"),
                None => Ok(()),
            },
        }
    }
}

impl Why {
    /// Returns what claims the device all the same; `None` if nothing does.
    pub(crate) fn force(&self) -> Option<Force> {
        let mut force = Force::default();
        match self {
            Self::Root | Self::PerhapsRoot => force.root = true,
            Self::Gpu => force.gpu = true,
            Self::Network => force.network = true,
            Self::Absent(_) | Self::OtherId { .. } | Self::OtherAddress(_) | Self::Bridge => {
                return None
            }
        }
        Some(force)
    }
}
