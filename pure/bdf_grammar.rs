// SPDX-License-Identifier: GPL-2.0

//! The written forms of a device address, as every writable attribute and `hide=` take them.
//!
//! ```text
//! bdf  = [ domain ":" ] bus ":" unit
//! unit = slot "." function | slot ".*" | "*.*"
//! hide = { "(" bdf ")" }
//! list = bdf { blank bdf }
//! ```
//!
//! All numbers are hexadecimal without a prefix: domain to ffff (0 when left out), bus to ff, slot
//! to 1f, function to 7. Blanks may surround a `bdf` (and each parenthesis of `hide`); a written
//! terminator (`\n`, `\0`) counts as a blank. These are the forms of the C driver's `sscanf`
//! patterns, less the accidents of `sscanf` (signs, `0x`, blanks inside an address, text after a
//! match, numbers that wrap).

use super::sbdf::Sbdf;
use core::fmt;

/// Written text that is not of the grammar, and the offset of the first byte that doesn't fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// That offset.
    pub(crate) at: usize,
}

/// What a [`Pattern`] covers on its bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// One function; the field is a kernel `devfn`.
    Function(u8),
    /// All eight functions of one device (`slot.*`); the field is the device number, 0 to 31.
    Device(u8),
    /// Every function of the bus (`*.*`).
    Bus,
}

/// A written device address, which may stand for many functions of one bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The segment, 16 bits as in PCI Express and Xen.
    pub(crate) domain: u16,
    /// The bus number.
    pub(crate) bus: u8,
    /// What it covers there.
    pub(crate) unit: Unit,
}

impl Pattern {
    /// Returns `true` if a function is covered.
    pub(crate) fn covers(self, function: Sbdf) -> bool {
        function.xen_segment() == Some(self.domain)
            && function.bus() == self.bus
            && match self.unit {
                Unit::Function(devfn) => function.devfn() == devfn,
                Unit::Device(slot) => function.slot() == slot,
                Unit::Bus => true,
            }
    }

    /// Returns the function that it stands for if it is no wildcard.
    pub(crate) const fn single(self) -> Option<Sbdf> {
        match self.unit {
            Unit::Function(devfn) => Some(Sbdf::new(self.domain as u32, self.bus, devfn)),
            Unit::Device(_) | Unit::Bus => None,
        }
    }
}

impl fmt::Display for Pattern {
    /// Writes it with all digits, as the kernel names devices.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, bus, unit } = self;
        match unit {
            Unit::Function(devfn) => Sbdf::new(u32::from(*domain), *bus, *devfn).fmt(f),
            Unit::Device(slot) => write!(f, "{domain:04x}:{bus:02x}:{slot:02x}.*"),
            Unit::Bus => write!(f, "{domain:04x}:{bus:02x}:*.*"),
        }
    }
}

/// Parses the text of one write: exactly one address, wildcards allowed.
///
/// # Errors
///
/// - [`Malformed`] for anything else: empty, garbage, a number out of range, trailing text.
pub(crate) fn parse_pattern(text: &[u8]) -> Result<Pattern, Malformed> {
    let mut cursor = Cursor::new(text);
    cursor.skip_blanks();
    let pattern = cursor.pattern()?;
    cursor.skip_blanks();
    cursor.end()?;
    Ok(pattern)
}

/// The addresses of one write that may have several, in the order written.
///
/// Yields `Err` once and then ends where the text is malformed. An empty or blank text is
/// malformed.
#[derive(Clone)]
pub(crate) struct List<'a> {
    cursor: Cursor<'a>,
    first: bool,
    failed: bool,
}

impl<'a> List<'a> {
    /// Takes what was written.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(text),
            first: true,
            failed: false,
        }
    }

    fn item(&mut self) -> Result<Pattern, Malformed> {
        let pattern = self.cursor.pattern()?;
        let end = self.cursor.at;
        self.cursor.skip_blanks();
        if self.cursor.at == end {
            // No blank, so this must be the end.
            self.cursor.end()?;
        }
        Ok(pattern)
    }
}

impl Iterator for List<'_> {
    type Item = Result<Pattern, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = core::mem::replace(&mut self.first, false);
        if first {
            self.cursor.skip_blanks();
        }
        if self.failed || (!first && self.cursor.end().is_ok()) {
            return None;
        }
        let item = self.item();
        self.failed = item.is_err();
        Some(item)
    }
}

/// The addresses of a `hide=` parameter, in the order written.
///
/// Yields `Err` once and then ends where the text is malformed.
pub(crate) struct HideList<'a> {
    cursor: Cursor<'a>,
    failed: bool,
}

impl<'a> HideList<'a> {
    /// Takes the parameter's text; an empty or blank one has no addresses.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(text),
            failed: false,
        }
    }

    fn item(&mut self) -> Result<Pattern, Malformed> {
        self.cursor.expect(b'(')?;
        self.cursor.skip_blanks();
        let pattern = self.cursor.pattern()?;
        self.cursor.skip_blanks();
        self.cursor.expect(b')')?;
        Ok(pattern)
    }
}

impl Iterator for HideList<'_> {
    type Item = Result<Pattern, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.skip_blanks();
        if self.failed || self.cursor.end().is_ok() {
            return None;
        }
        let item = self.item();
        self.failed = item.is_err();
        Some(item)
    }
}

/// Returns `true` if a byte may surround an address.
pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0)
}

/// A position in a text. Every method either advances it or returns it.
#[derive(Clone)]
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn bump(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn fail<T>(&self) -> Result<T, Malformed> {
        Err(Malformed { at: self.at })
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.eat(byte) {
            Ok(())
        } else {
            self.fail()
        }
    }

    fn end(&self) -> Result<(), Malformed> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fail(),
        }
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.bump();
        }
    }

    /// Reads a hexadecimal number of one digit or more that is at most `max`.
    fn hex(&mut self, max: u32) -> Result<u32, Malformed> {
        let start = self.at;
        let mut value = 0u32;
        while let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
            // `value <= max <= 0xffff` here, so neither operation can overflow.
            value = value.saturating_mul(16).saturating_add(digit);
            if value > max {
                return Err(Malformed { at: start });
            }
            self.bump();
        }
        if self.at == start {
            return self.fail();
        }
        Ok(value)
    }

    fn hex_u8(&mut self, max: u8) -> Result<u8, Malformed> {
        let at = self.at;
        u8::try_from(self.hex(u32::from(max))?).map_err(|_| Malformed { at })
    }

    /// Reads `bdf`. Whether the first number is a domain or a bus shows only at the separator
    /// after the second field, so the fields are read where they are unambiguous: a bus is
    /// followed by `:` and a slot or `*`, a slot by `.`.
    fn pattern(&mut self) -> Result<Pattern, Malformed> {
        if self.has_domain() {
            let at = self.at;
            let domain = u16::try_from(self.hex(0xffff)?).map_err(|_| Malformed { at })?;
            self.expect(b':')?;
            self.bus_and_unit(domain)
        } else {
            self.bus_and_unit(0)
        }
    }

    /// Looks ahead: an address with a domain has two colons.
    fn has_domain(&self) -> bool {
        self.text
            .get(self.at..)
            .unwrap_or(&[])
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit() || **byte == b':')
            .filter(|byte| **byte == b':')
            .nth(1)
            .is_some()
    }

    fn bus_and_unit(&mut self, domain: u16) -> Result<Pattern, Malformed> {
        let bus = self.hex_u8(0xff)?;
        self.expect(b':')?;
        let unit = self.unit()?;
        Ok(Pattern { domain, bus, unit })
    }

    fn unit(&mut self) -> Result<Unit, Malformed> {
        if self.eat(b'*') {
            self.expect(b'.')?;
            self.expect(b'*')?;
            return Ok(Unit::Bus);
        }
        let slot = self.hex_u8(0x1f)?;
        self.expect(b'.')?;
        if self.eat(b'*') {
            return Ok(Unit::Device(slot));
        }
        let function = self.hex_u8(7)?;
        Ok(Unit::Function((slot << 3) | function))
    }
}

#[cfg(test)]
#[path = "bdf_grammar_tests.rs"]
mod tests;
