//! Thrift's compact protocol, as far as it takes to look at a Parquet file's headers without trusting any number in them:
//! nothing is ever longer than what is left of the bytes, and nothing is deeper than [`DEEPEST`].

/// How deep structs may stand in each other.
const DEEPEST: usize = 16;

/// Why bytes can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// They end too early; more may help.
    Short,
    /// They are no Thrift.
    Malformed,
}

/// The type of a field or an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(u8);

impl Kind {
    pub(super) const LIST: Self = Self(9);
    #[cfg(test)]
    const STRUCT: Self = Self(12);
}

type Result<T> = std::result::Result<T, Broken>;

/// Bytes being read.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The next field of a struct, `None` at its end; `last` keeps the number of the one before, 0 at first.
    pub(super) fn field(&mut self, last: &mut i16) -> Result<Option<(i16, Kind)>> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        let number = match head >> 4 {
            0 => i16::try_from(self.integer()?).map_err(|_| Broken::Malformed)?,
            step => last.checked_add(i16::from(step)).ok_or(Broken::Malformed)?,
        };
        *last = number;
        Ok(Some((number, Kind(head & 0x0f))))
    }

    /// A whole number.
    pub(super) fn integer(&mut self) -> Result<i64> {
        let unsigned = self.unsigned()?;
        let sign = if unsigned & 1 == 1 { -1 } else { 0 };
        Ok(i64::try_from(unsigned >> 1).map_err(|_| Broken::Malformed)? ^ sign)
    }

    /// The number and the type of a list's elements; they follow.
    pub(super) fn list(&mut self) -> Result<(usize, Kind)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.length()?,
            few => usize::from(few),
        };
        Ok((count, Kind(head & 0x0f)))
    }

    /// Bytes or a text.
    pub(super) fn binary(&mut self) -> Result<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self, kind: Kind) -> Result<()> {
        self.skip_in(kind, 0)
    }

    fn skip_in(&mut self, kind: Kind, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(Broken::Malformed);
        }
        match kind.0 {
            1 | 2 => Ok(()), // a truth stands in the field's head
            3 => self.byte().map(drop),
            4..=6 => self.unsigned().map(drop),
            7 => self.take(8).map(drop),
            8 => self.binary().map(drop),
            9 | 10 => self.skip_list(depth),
            11 => self.skip_map(depth),
            12 => self.skip_struct(depth),
            13 => self.take(16).map(drop),
            _ => Err(Broken::Malformed),
        }
    }

    fn skip_list(&mut self, depth: usize) -> Result<()> {
        let (count, kind) = self.list()?;
        (0..count).try_for_each(|_| self.skip_element(kind, depth))
    }

    fn skip_map(&mut self, depth: usize) -> Result<()> {
        let count = self.length()?;
        if count == 0 {
            return Ok(());
        }
        let kinds = self.byte()?;
        (0..count).try_for_each(|_| {
            self.skip_element(Kind(kinds >> 4), depth)?;
            self.skip_element(Kind(kinds & 0x0f), depth)
        })
    }

    /// An element; unlike a field, a truth takes a byte here.
    fn skip_element(&mut self, kind: Kind, depth: usize) -> Result<()> {
        if matches!(kind.0, 1 | 2) { self.byte().map(drop) } else { self.skip_in(kind, depth + 1) }
    }

    fn skip_struct(&mut self, depth: usize) -> Result<()> {
        let mut last = 0;
        while let Some((_, kind)) = self.field(&mut last)? {
            self.skip_in(kind, depth + 1)?;
        }
        Ok(())
    }

    /// A count of things that take at least a byte each.
    fn length(&mut self) -> Result<usize> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| Broken::Malformed)?;
        if length > self.bytes.len() - self.at { Err(Broken::Short) } else { Ok(length) }
    }

    fn unsigned(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).ok_or(Broken::Malformed)?;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken::Malformed)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1)?.first().copied().ok_or(Broken::Short)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let taken = self.at.checked_add(length).and_then(|end| self.bytes.get(self.at..end)).ok_or(Broken::Short)?;
        self.at += length;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_they_are() {
        for (bytes, value) in [(&[0x00_u8][..], 0), (&[0x01], -1), (&[0x02], 1), (&[0xac, 0x02], 150), (&[0xab, 0x02], -150)] {
            assert_eq!(Reader::new(bytes).integer(), Ok(value));
        }
        assert_eq!(Reader::new(&[0xff; 20]).integer(), Err(Broken::Malformed));
        assert_eq!(Reader::new(&[0xff]).integer(), Err(Broken::Short));
    }

    #[test]
    fn what_is_deep_or_long_is_refused() {
        let deep = [0x1c_u8; 100]; // a struct in a struct in …
        assert_eq!(Reader::new(&deep).skip(Kind::STRUCT), Err(Broken::Malformed));
        let long = [0x19, 0xf8, 0xff, 0xff, 0xff, 0x0f]; // four billion texts
        assert_eq!(Reader::new(&long[1..]).skip(Kind::LIST), Err(Broken::Short));
        assert_eq!(Reader::new(&[0x18, 0x05, b'a']).skip(Kind::STRUCT), Err(Broken::Short));
        assert_eq!(Reader::new(&[0x18, 0x01, b'a', 0x00]).skip(Kind::STRUCT), Ok(()));
    }
}
