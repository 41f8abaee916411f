// SPDX-License-Identifier: GPL-2.0

//! The part of a text that a reader asks for, where the text is made anew for each read.

use core::fmt;

/// Takes a whole text and keeps what is from byte `pos` on and fits into `out`.
pub(crate) struct TextWindow<'a> {
    skip: usize,
    out: &'a mut [u8],
    filled: usize,
}

impl<'a> TextWindow<'a> {
    /// Opens the window.
    pub(crate) fn new(pos: usize, out: &'a mut [u8]) -> Self {
        Self {
            skip: pos,
            out,
            filled: 0,
        }
    }

    /// Returns how many bytes were filled: 0 at the end of the text.
    pub(crate) fn filled(self) -> usize {
        self.filled
    }
}

impl fmt::Write for TextWindow<'_> {
    /// What does not fit is left out, which is no error.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let seen = text.as_bytes().get(self.skip..).unwrap_or(&[]);
        self.skip = self.skip.saturating_sub(text.len());
        let room = self.out.get_mut(self.filled..).unwrap_or(&mut []);
        for (to, from) in room.iter_mut().zip(seen) {
            *to = *from;
            self.filled = self.filled.saturating_add(1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::TextWindow;
    use core::fmt::Write;

    /// Each window shows what a slice of the whole text would.
    #[test]
    fn every_window_of_a_text_in_pieces() {
        let pieces = ["0000:01:00.0\n", "", "a", "0000:02:00.0\n"];
        let whole = pieces.concat().into_bytes();
        for pos in 0..=whole.len() + 2 {
            for room in 0..=whole.len() + 2 {
                let mut out = vec![0; room];
                let mut window = TextWindow::new(pos, &mut out);
                for piece in pieces {
                    window.write_str(piece).unwrap();
                }
                let filled = window.filled();
                let rest = whole.get(pos..).unwrap_or(&[]);
                assert_eq!(&out[..filled], &rest[..rest.len().min(room)]);
            }
        }
    }
}
