// SPDX-License-Identifier: GPL-2.0

//! Why a function blocks a reset, in the words of `reset_blockers` and of log lines.

use super::{
    reset_plan::Why,
    topology::ResetOptOut, //
};
use core::fmt;

/// How many bytes are written of a driver's name. (Modules' names have fewer than 64.)
const LONGEST: usize = 32;

/// A reason, and the name of the driver that has the function, if it is known.
pub(crate) struct Reason<'a> {
    /// The reason.
    pub(crate) why: Why,
    /// The driver's name; looked at where the reason is a driver.
    pub(crate) driver: Option<&'a str>,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.why, self.driver) {
            (Why::Driver, Some(name)) => {
                write!(f, "driver {}", name.get(..LONGEST).unwrap_or(name))
            }
            (Why::Driver, None) => f.write_str("driver changing"),
            (Why::Unclaimed, _) => f.write_str("no driver"),
            (Why::Used(domain), _) => write!(f, "domain {domain}"),
            (Why::Assigned, _) => f.write_str("being given to a guest"),
            (Why::OptOut(ResetOptOut::Quirk), _) => f.write_str("kernel quirk"),
            (Why::OptOut(_), _) => f.write_str("reset_method"),
            (Why::Kind, _) => f.write_str("not claimable"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::domid::DomId,
        *, //
    };

    #[test]
    fn words_are_those_of_the_abi() {
        let text = |why, driver| Reason { why, driver }.to_string();
        assert_eq!(text(Why::Driver, Some("e1000e")), "driver e1000e");
        assert_eq!(text(Why::Driver, None), "driver changing");
        assert_eq!(text(Why::Unclaimed, Some("e1000e")), "no driver");
        assert_eq!(text(Why::Used(DomId::new(7).unwrap()), None), "domain 7");
        assert_eq!(text(Why::Assigned, None), "being given to a guest");
        assert_eq!(text(Why::OptOut(ResetOptOut::Quirk), None), "kernel quirk");
        for opt_out in [ResetOptOut::MethodsEmptied, ResetOptOut::BusRemoved] {
            assert_eq!(text(Why::OptOut(opt_out), None), "reset_method");
        }
        assert_eq!(text(Why::Kind, None), "not claimable");
    }

    #[test]
    fn long_names_are_cut() {
        let name = "x".repeat(63);
        let text = Reason {
            why: Why::Driver,
            driver: Some(&name),
        };
        assert_eq!(text.to_string().len(), "driver ".len() + LONGEST);
    }
}
