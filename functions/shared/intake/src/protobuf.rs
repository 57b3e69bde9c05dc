//! Reads the fields of Protocol Buffers messages one by one, without copying them.
//!
//! A decoder that builds a tree of messages turns two bytes of an empty message into a hundred of memory. This one hands
//! out the bytes of each field, so that a body needs no more memory than the samples that are kept of it.

use std::str;

use thiserror::Error;

/// Reasons why bytes are not the expected message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum ProtobufError {
    #[error("a message ends inside a field")]
    Truncated,
    #[error("a number has more than 64 bits")]
    NumberTooLong,
    #[error("a field has the number 0 or an unknown wire type")]
    KeyInvalid,
    #[error("field {0} has another type than its schema")]
    TypeWrong(u32),
}

/// Value of a field, by its type on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum WireValue<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ProtobufField<'a> {
    pub(crate) number: u32,
    value: WireValue<'a>,
}

impl<'a> ProtobufField<'a> {
    /// A string, or the bytes of a message or of a packed list.
    pub(crate) fn bytes(&self) -> Result<&'a [u8], ProtobufError> {
        match self.value {
            WireValue::Bytes(bytes) => Ok(bytes),
            _ => Err(ProtobufError::TypeWrong(self.number)),
        }
    }

    /// A string; `None` if it is not UTF-8.
    pub(crate) fn text(&self) -> Result<Option<&'a str>, ProtobufError> {
        Ok(str::from_utf8(self.bytes()?).ok())
    }

    /// The fields of a message.
    pub(crate) fn fields(&self) -> Result<ProtobufFields<'a>, ProtobufError> {
        self.bytes().map(ProtobufFields::of)
    }

    /// An `int32`, `int64`, `uint32`, `uint64`, `bool` or `enum`; negative numbers are sent with 64 bits.
    pub(crate) fn varint(&self) -> Result<u64, ProtobufError> {
        match self.value {
            WireValue::Varint(number) => Ok(number),
            _ => Err(ProtobufError::TypeWrong(self.number)),
        }
    }

    /// An `int64`.
    pub(crate) fn int64(&self) -> Result<i64, ProtobufError> {
        self.varint().map(u64::cast_signed)
    }

    /// A `double`.
    pub(crate) fn double(&self) -> Result<f64, ProtobufError> {
        self.fixed64().map(f64::from_bits)
    }

    /// A `fixed64`.
    pub(crate) fn fixed64(&self) -> Result<u64, ProtobufError> {
        match self.value {
            WireValue::Fixed64(bits) => Ok(bits),
            _ => Err(ProtobufError::TypeWrong(self.number)),
        }
    }

    /// The elements of a repeated `fixed64` or `double`, packed or one by one, as bits.
    pub(crate) fn fixed64s(&self) -> Result<Vec<u64>, ProtobufError> {
        match self.value {
            WireValue::Fixed64(bits) => Ok(vec![bits]),
            WireValue::Bytes(packed) => {
                let (elements, rest) = packed.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(ProtobufError::Truncated);
                }
                Ok(elements.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
            }
            _ => Err(ProtobufError::TypeWrong(self.number)),
        }
    }

    /// The elements of a repeated varint, packed or one by one.
    pub(crate) fn varints(&self) -> Result<Varints<'a>, ProtobufError> {
        match self.value {
            WireValue::Varint(number) => Ok(Varints { single: Some(number), rest: &[] }),
            WireValue::Bytes(rest) => Ok(Varints { single: None, rest }),
            _ => Err(ProtobufError::TypeWrong(self.number)),
        }
    }
}

/// Reads the fields of a message in the order of its bytes; ends after the first error.
#[derive(Debug, Clone)]
pub(crate) struct ProtobufFields<'a> {
    rest: &'a [u8],
}

impl<'a> ProtobufFields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The fields with a number; an error in any field is returned, too.
    pub(crate) fn numbered(
        &self,
        number: u32,
    ) -> impl Iterator<Item = Result<ProtobufField<'a>, ProtobufError>> + use<'a> {
        let is_wanted = move |field: &Result<ProtobufField<'_>, _>| match field {
            Ok(field) => field.number == number,
            Err(_) => true,
        };
        self.clone().filter(is_wanted)
    }

    /// The messages of a stream, each behind its length.
    pub(crate) fn messages(
        stream: &'a [u8],
    ) -> impl Iterator<Item = Result<&'a [u8], ProtobufError>> + use<'a> {
        let mut stream = Self::of(stream);
        std::iter::from_fn(move || {
            if stream.rest.is_empty() {
                return None;
            }
            let message = varint(&mut stream.rest).and_then(|len| {
                let len = usize::try_from(len).map_err(|_| ProtobufError::Truncated)?;
                Self::take(&mut stream, len)
            });
            if message.is_err() {
                stream.rest = &[];
            }
            Some(message)
        })
    }

    fn read(&mut self) -> Result<ProtobufField<'a>, ProtobufError> {
        let key = varint(&mut self.rest)?;
        let number = u32::try_from(key >> 3).ok().filter(|number| *number > 0);
        let number = number.ok_or(ProtobufError::KeyInvalid)?;
        let value = match key & 7 {
            0 => WireValue::Varint(varint(&mut self.rest)?),
            1 => WireValue::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = varint(&mut self.rest)?;
                let len = usize::try_from(len).map_err(|_| ProtobufError::Truncated)?;
                WireValue::Bytes(self.take(len)?)
            }
            5 => WireValue::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(ProtobufError::KeyInvalid),
        };
        Ok(ProtobufField { number, value })
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], ProtobufError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(ProtobufError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtobufError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(ProtobufError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}

impl<'a> Iterator for ProtobufFields<'a> {
    type Item = Result<ProtobufField<'a>, ProtobufError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// The elements of a repeated varint.
#[derive(Debug, Clone)]
pub(crate) struct Varints<'a> {
    single: Option<u64>,
    rest: &'a [u8],
}

impl Iterator for Varints<'_> {
    type Item = Result<u64, ProtobufError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(single) = self.single.take() {
            return Some(Ok(single));
        }
        if self.rest.is_empty() {
            return None;
        }
        let number = varint(&mut self.rest);
        if number.is_err() {
            self.rest = &[];
        }
        Some(number)
    }
}

/// Reverses the zigzag encoding of a `sint32` or `sint64`.
pub(crate) fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn varint(rest: &mut &[u8]) -> Result<u64, ProtobufError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first().ok_or(ProtobufError::Truncated)?;
        *rest = tail;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has one bit left.
        if shift == 63 && bits > 1 {
            return Err(ProtobufError::NumberTooLong);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(ProtobufError::NumberTooLong)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Sent {
        #[prost(string, tag = "1")]
        text: String,
        #[prost(int64, tag = "2")]
        int: i64,
        #[prost(double, tag = "3")]
        double: f64,
        #[prost(fixed32, tag = "4")]
        fixed32: u32,
        #[prost(sint64, repeated, tag = "5")]
        packed: Vec<i64>,
        #[prost(uint32, repeated, packed = "false", tag = "6")]
        single: Vec<u32>,
    }

    fn sent() -> Sent {
        Sent {
            text: "größe".to_owned(),
            int: -5,
            double: 1.5,
            fixed32: 7,
            packed: vec![0, -1, i64::MIN, i64::MAX],
            single: vec![1, u32::MAX],
        }
    }

    #[test]
    fn fields_are_read_as_an_encoder_wrote_them() {
        let bytes = sent().encode_to_vec();
        let fields: Vec<ProtobufField<'_>> =
            ProtobufFields::of(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!(fields[0].text().unwrap(), Some("größe"));
        assert_eq!(fields[1].int64().unwrap(), -5);
        assert_eq!(fields[2].double().unwrap(), 1.5);
        assert_eq!(fields[3].value, WireValue::Fixed32(7));
        let packed: Result<Vec<u64>, _> = fields[4].varints().unwrap().collect();
        let packed: Vec<i64> = packed.unwrap().into_iter().map(zigzag).collect();
        assert_eq!(packed, sent().packed);
        let single = [5, 6].map(|i| fields[i].varints().unwrap().next().unwrap().unwrap());
        assert_eq!(single, [1, u64::from(u32::MAX)]);
    }

    #[test]
    fn a_field_of_another_type_is_an_error() {
        let bytes = sent().encode_to_vec();
        let fields: Vec<ProtobufField<'_>> =
            ProtobufFields::of(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!(fields[0].varint(), Err(ProtobufError::TypeWrong(1)));
        assert_eq!(fields[1].text(), Err(ProtobufError::TypeWrong(2)));
        assert_eq!(fields[1].double(), Err(ProtobufError::TypeWrong(2)));
        assert!(fields[2].varints().is_err() && fields[3].fixed64().is_err());
    }

    #[test]
    fn each_truncation_is_an_error_or_a_shorter_message() {
        let bytes = sent().encode_to_vec();
        let whole: Vec<ProtobufField<'_>> =
            ProtobufFields::of(&bytes).collect::<Result<_, _>>().unwrap();
        for len in 0..bytes.len() {
            match ProtobufFields::of(&bytes[..len]).collect::<Result<Vec<_>, _>>() {
                Ok(fields) => assert!(whole.starts_with(&fields), "{len}"),
                Err(error) => assert_eq!(error, ProtobufError::Truncated, "{len}"),
            }
        }
    }

    #[test]
    fn malformed_keys_lengths_and_numbers_are_errors() {
        let cases: [(&[u8], ProtobufError); 7] = [
            (&[0x00], ProtobufError::KeyInvalid),
            (&[0x0b], ProtobufError::KeyInvalid),
            (&[0x0f, 0], ProtobufError::KeyInvalid),
            (&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], ProtobufError::Truncated),
            (&[0x0a, 0x02, 0x61], ProtobufError::Truncated),
            (&[0x08, 0x80], ProtobufError::Truncated),
            (
                &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
                ProtobufError::NumberTooLong,
            ),
        ];
        for (bytes, error) in cases {
            assert_eq!(ProtobufFields::of(bytes).last(), Some(Err(error)), "{bytes:?}");
        }
    }
}
