// SPDX-License-Identifier: GPL-2.0

//! Fields of the configuration space that the administrator opens to a guest (`quirks`).

use super::{
    bdf_grammar::{
        is_blank,
        parse_pattern,
        Malformed, //
    },
    sbdf::Sbdf, //
};

/// One such field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConfigField {
    /// Its offset in the configuration space, 0 to fff.
    pub(crate) offset: u16,
    /// Its size in bytes: 1, 2 or 4.
    pub(crate) size: u8,
    /// The bits that the C driver's listing calls its mask.
    pub(crate) mask: u32,
}

/// Parses what is written to `quirks`: `bdf-offset:size:mask`, all numbers hexadecimal.
///
/// # Errors
///
/// - [`Malformed`] for anything else: an offset beyond the configuration space, another size, a
///   mask wider than the field, an address with a wildcard.
pub(crate) fn parse_quirk(text: &[u8]) -> Result<(Sbdf, ConfigField), Malformed> {
    let dash = text.iter().position(|byte| *byte == b'-');
    let dash = dash.unwrap_or(text.len());
    let (address, rest) = (text.get(..dash), text.get(dash..));
    let device = parse_pattern(address.unwrap_or(&[]))?
        .single()
        .ok_or(Malformed { at: 0 })?;
    // Blanks may follow, as they may an address.
    let rest = rest.unwrap_or(&[]);
    let last = rest.iter().rposition(|byte| !is_blank(*byte)).unwrap_or(0);
    let end = dash.saturating_add(last).saturating_add(1);
    let mut at = dash.saturating_add(1);
    let mut numbers = rest
        .get(1..=last)
        .unwrap_or(&[])
        .split(|byte| *byte == b':');
    let mut next = |is_valid: &dyn Fn(u32) -> bool| {
        // A part that is missing is missing at the end.
        let malformed = |at: usize| Malformed {
            at: at.min(end).min(text.len()),
        };
        let begin = at;
        let digits = numbers.next().ok_or(malformed(begin))?;
        at = at.saturating_add(digits.len()).saturating_add(1);
        let length = digits.iter().take_while(|digit| digit.is_ascii_hexdigit());
        let length = length.count();
        let number = (digits.get(..length))
            .and_then(hexadecimal)
            .filter(|number| is_valid(*number))
            .ok_or(malformed(begin))?;
        if length < digits.len() {
            return Err(malformed(begin.saturating_add(length)));
        }
        Ok(number)
    };
    let offset = next(&|offset| offset <= 0xfff)?;
    let size = next(&|size| matches!(size, 1 | 2 | 4))?;
    let widest = match size {
        1 => 0xff,
        2 => 0xffff,
        _ => u32::MAX,
    };
    let mask = next(&|mask| mask <= widest)?;
    if numbers.next().is_some() {
        return Err(Malformed {
            at: at.saturating_sub(1), // The colon before it.
        });
    }
    // CAST: Both were compared with their limits.
    let (offset, size) = (offset as u16, size as u8);
    Ok((device, ConfigField { offset, size, mask }))
}

/// Reads a hexadecimal number of 32 bits, with any number of leading zeros.
fn hexadecimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u32, |number, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(number.checked_mul(16)? | digit)
    })
}

#[cfg(test)]
mod tests {
    use super::{
        parse_quirk,
        ConfigField,
        Malformed, //
    };
    use crate::pure::sbdf::Sbdf;

    #[test]
    fn the_forms_of_the_c_driver() {
        let field = ConfigField {
            offset: 0x40,
            size: 2,
            mask: 0xff,
        };
        let device = Sbdf::new(0, 3, 0);
        for text in [
            "0000:03:00.0-40:2:ff",
            " 03:00.0-040:2:00ff\n",
            "03:00.0 -000000040:2:0000000ff\0\x0b",
        ] {
            assert_eq!(parse_quirk(text.as_bytes()), Ok((device, field)), "{text}");
        }
        let text = b"1:03:00.0-fff:4:ffffffff";
        let (device, field) = parse_quirk(text).unwrap();
        assert_eq!(device.domain(), 1);
        assert_eq!(field.mask, u32::MAX);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "-",
            "03:00.0",
            "03:00.0-",
            "03:00.0-40",
            "03:00.0-40:2",
            "03:00.0-40:2:",
            "03:00.0-40:3:ff",
            "03:00.0-40:0:0",
            "03:00.0-40:5:0",
            "03:00.0-1000:1:ff",
            "03:00.0-40:1:100",
            "03:00.0-40:2:10000",
            "03:00.0-40:4:100000000",
            "03:00.0-40:2:ff:1",
            "03:00.0-40:2:ff x",
            "03:00.0--40:2:ff",
            "03:00.*-40:2:ff",
            "03:00.0-0x40:2:ff",
            "03:00.0-+40:2:ff",
        ] {
            assert!(parse_quirk(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn the_fault_is_where_it_is() {
        for (text, at) in [
            ("03:00.8-40:2:ff", 6),
            ("garbage", 0),
            ("03:00.0", 7),
            ("03:00.0\n", 8),
            ("03:00.0-1000:2:ff", 8),
            ("03:00.0-40:3:ff", 11),
            ("03:00.0-40:2", 12),
            ("03:00.0-40:2\n", 12),
            ("03:00.0-40:1:100", 13),
            ("03:00.0-40:1:ff:0", 15),
            ("03:00.0-4x:1:ff", 9),
        ] {
            assert_eq!(
                parse_quirk(text.as_bytes()),
                Err(Malformed { at }),
                "{text}"
            );
        }
    }
}
