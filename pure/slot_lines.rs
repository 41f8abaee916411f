// SPDX-License-Identifier: GPL-2.0

//! The text of the `slots` attribute, which may be longer than a page.

use super::sbdf::Sbdf;
use core::fmt::Write;

/// Bytes of one line, `%04x:%02x:%02x.%d\n`: a listed slot's domain never exceeds ffff.
pub(crate) const LINE: usize = 13;

/// Writes the part of the listing that starts at byte `pos` into `out`; returns the bytes written.
///
/// Only whole lines are written, unless `out` is shorter than one. So a reader who reads on always
/// starts at a line. A slot that is added or removed between two reads can hide or repeat a line,
/// but no read shows an address that was never listed.
pub(crate) fn fill(slots: impl Iterator<Item = Sbdf>, pos: usize, out: &mut [u8]) -> usize {
    let mut skip_bytes = pos % LINE;
    let mut written = 0;
    for slot in slots.skip(pos / LINE) {
        let mut line = Line::default();
        if write!(line, "{slot}").is_err() {
            break;
        }
        let text = line.0.get(skip_bytes..).unwrap_or(&[]);
        skip_bytes = 0;
        let room = out.get_mut(written..).unwrap_or(&mut []);
        // A part of a line is better than nothing only where nothing else fits at all: an empty
        // answer would read as the end of the file.
        if room.len() < text.len() && written > 0 {
            break;
        }
        for (to, from) in room.iter_mut().zip(text) {
            *to = *from;
            written = written.saturating_add(1);
        }
    }
    written
}

/// One line being formatted; it starts as newlines, so the text needs only its 12 characters.
struct Line([u8; LINE], usize);

impl Default for Line {
    fn default() -> Self {
        Self([b'\n'; LINE], 0)
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.1.saturating_add(text.len());
        // The last byte stays the newline.
        let room = self.0.get_mut(self.1..end).filter(|_| end < LINE);
        for (to, from) in room.ok_or(core::fmt::Error)?.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.1 = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        fill,
        Sbdf,
        LINE, //
    };

    fn slots(n: u32) -> impl Iterator<Item = Sbdf> {
        (0..n).map(|i| Sbdf::new(i >> 16, (i >> 8) as u8, i as u8))
    }

    fn whole(n: u32) -> String {
        slots(n)
            .map(|slot| format!("{slot}\n"))
            .collect::<Vec<_>>()
            .concat()
    }

    /// Reads as `read(2)` does, with buffers of `chunk` bytes.
    fn read_in_chunks(n: u32, chunk: usize) -> String {
        let mut text = Vec::new();
        loop {
            let mut buffer = vec![0; chunk];
            let got = fill(slots(n), text.len(), &mut buffer);
            if got == 0 {
                return String::from_utf8(text).unwrap();
            }
            text.extend_from_slice(&buffer[..got]);
        }
    }

    #[test]
    fn any_chunk_size_reads_the_whole_list() {
        // Fewer for an interpreter.
        let (slots, step) = if cfg!(miri) { (20, 13) } else { (1000, 1) };
        for chunk in (1..40).step_by(step).chain([4095, 4096, 4097, 100_000]) {
            assert_eq!(read_in_chunks(slots, chunk), whole(slots), "chunk {chunk}");
        }
        assert_eq!(read_in_chunks(0, 4096), "");
    }

    #[test]
    fn a_chunk_ends_at_a_line() {
        let mut page = [0; 4096];
        let got = fill(slots(1000), 0, &mut page);
        assert_eq!(got, 4096 / LINE * LINE);
        assert_eq!(page[got - 1], b'\n');
        let mut exact = [0; 2 * LINE];
        assert_eq!(fill(slots(3), 0, &mut exact), exact.len());
    }

    #[test]
    fn an_address_that_cannot_be_listed_ends_the_listing() {
        let mut page = [0; 64];
        let too_wide = [Sbdf::new(0, 1, 0), Sbdf::new(0x10000, 1, 0)];
        assert_eq!(fill(too_wide.into_iter(), 0, &mut page), LINE);
    }
}
