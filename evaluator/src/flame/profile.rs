//! Reads as much of a pprof profile as a flame graph shows: the stacks, by the names of their functions.
//!
//! The format is protobuf, `profile.proto` of <https://github.com/google/pprof>; what is not needed is passed over.

use std::collections::HashMap;

use thiserror::Error;

/// Stacks with their weights.
#[derive(Debug, PartialEq)]
pub(super) struct Profile {
    /// Unit of the weights: `nanoseconds`, `bytes`.
    pub(super) unit: String,
    /// Names from the outermost to the innermost function, and the weight.
    pub(super) stacks: Vec<(Vec<String>, u64)>,
}

/// Why bytes are no profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum ProfileError {
    /// A message ends before its end.
    #[error("it ends in the midst of a field")]
    CutOff,
    /// A field has a form that protobuf does not have.
    #[error("field form `{0}` is none of protobuf")]
    Form(u64),
    /// A number names a text, a place or a function that is not there.
    #[error("it names something that it does not hold")]
    Dangling,
}

/// A field: a number, or bytes.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl Profile {
    /// Reads an unpacked profile; of several values the last counts, which is that of time.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ProfileError> {
        let (mut texts, mut samples, mut units) = (Vec::new(), Vec::new(), Vec::new());
        let (mut locations, mut functions) = (HashMap::new(), HashMap::new());
        each(bytes, |number, field| {
            let Field::Bytes(bytes) = field else { return Ok(()) };
            match number {
                1 => units.push(numbers(bytes, 2)?.first().copied().unwrap_or_default()),
                2 => samples.push((numbers(bytes, 1)?, numbers(bytes, 2)?)),
                4 => {
                    let id = numbers(bytes, 1)?.first().copied().unwrap_or_default();
                    locations.insert(id, lines(bytes)?);
                }
                5 => {
                    let of =
                        |number| Ok(numbers(bytes, number)?.first().copied().unwrap_or_default());
                    functions.insert(of(1)?, of(2)?);
                }
                6 => texts.push(String::from_utf8_lossy(bytes).into_owned()),
                _ => {}
            }
            Ok(())
        })?;
        let text = |i: u64| texts.get(i as usize).cloned().ok_or(ProfileError::Dangling);
        let mut stacks = Vec::with_capacity(samples.len());
        for (places, values) in samples {
            let mut stack = Vec::new();
            // The innermost comes first, and of what was inlined the innermost, too.
            for place in places.iter().rev() {
                let lines: &Vec<u64> = locations.get(place).ok_or(ProfileError::Dangling)?;
                for function in lines.iter().rev() {
                    stack.push(text(*functions.get(function).ok_or(ProfileError::Dangling)?)?);
                }
            }
            stacks.push((stack, values.last().copied().unwrap_or_default()));
        }
        let unit = units.last().map_or(Ok(String::new()), |unit| text(*unit))?;
        Ok(Self { unit, stacks })
    }
}

/// The functions of a place, the innermost first.
fn lines(location: &[u8]) -> Result<Vec<u64>, ProfileError> {
    let mut functions = Vec::new();
    each(location, |number, field| {
        if let (4, Field::Bytes(line)) = (number, field) {
            functions.extend(numbers(line, 1)?);
        }
        Ok(())
    })?;
    Ok(functions)
}

/// The numbers of a field, whether they are packed or come one by one.
fn numbers(message: &[u8], wanted: u64) -> Result<Vec<u64>, ProfileError> {
    let mut all = Vec::new();
    each(message, |number, field| {
        match field {
            Field::Number(value) if number == wanted => all.push(value),
            Field::Bytes(mut packed) if number == wanted => {
                while !packed.is_empty() {
                    all.push(varint(&mut packed)?);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(all)
}

fn each<'a>(
    mut message: &'a [u8],
    mut look: impl FnMut(u64, Field<'a>) -> Result<(), ProfileError>,
) -> Result<(), ProfileError> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut message)?),
            1 => Field::Bytes(cut(&mut message, 8)?),
            2 => {
                let len = varint(&mut message)?;
                Field::Bytes(cut(&mut message, len)?)
            }
            5 => Field::Bytes(cut(&mut message, 4)?),
            form => return Err(ProfileError::Form(form)),
        };
        look(tag >> 3, field)?;
    }
    Ok(())
}

fn cut<'a>(bytes: &mut &'a [u8], len: u64) -> Result<&'a [u8], ProfileError> {
    let len = usize::try_from(len).map_err(|_| ProfileError::CutOff)?;
    let (head, rest) = bytes.split_at_checked(len).ok_or(ProfileError::CutOff)?;
    *bytes = rest;
    Ok(head)
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn varint(bytes: &mut &[u8]) -> Result<u64, ProfileError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(ProfileError::CutOff)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(ProfileError::CutOff)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message field with short contents.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    /// `main` called `judge`, which was inlined into `round`: 7 samples, 700 ns.
    fn profile() -> Vec<u8> {
        let number = |number: u8, value: u8| vec![number << 3, value];
        let line = |function| field(4, &number(1, function));
        let texts = ["", "samples", "count", "cpu", "nanoseconds", "main", "round", "judge"];
        [
            field(1, &[number(1, 1), number(2, 2)].concat()),
            field(1, &[number(1, 3), number(2, 4)].concat()),
            // Places packed, values one by one: both are protobuf.
            field(2, &[field(1, &[2, 1]), number(2, 7), vec![2 << 3, 0xbc, 0x05]].concat()),
            field(4, &[number(1, 1), line(1)].concat()),
            field(4, &[number(1, 2), line(3), line(2)].concat()),
            field(5, &[number(1, 1), number(2, 5)].concat()),
            field(5, &[number(1, 2), number(2, 6)].concat()),
            field(5, &[number(1, 3), number(2, 7)].concat()),
            texts.iter().flat_map(|text| field(6, text.as_bytes())).collect(),
            vec![10 << 3, 1, 12 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat()
    }

    #[test]
    fn stacks_go_from_the_outermost_to_the_innermost_function() {
        let decoded = Profile::decode(&profile()).unwrap();
        let stack = ["main", "round", "judge"].map(str::to_owned).to_vec();
        assert_eq!(decoded, Profile { unit: "nanoseconds".to_owned(), stacks: vec![(stack, 700)] });
    }

    #[test]
    fn bytes_that_are_none_are_an_error_and_no_panic() {
        let whole = profile();
        for len in 1..whole.len() {
            let _may_be_whole_messages = Profile::decode(&whole[..len]);
        }
        assert_eq!(Profile::decode(&whole[..len_of_cut(&whole)]), Err(ProfileError::CutOff));
        assert_eq!(Profile::decode(&[0xff; 40]), Err(ProfileError::CutOff));
        assert_eq!(Profile::decode(&[0x03]), Err(ProfileError::Form(3)));
        assert_eq!(Profile::decode(&field(2, &field(1, &[9]))), Err(ProfileError::Dangling));
    }

    /// In the midst of the last field.
    fn len_of_cut(whole: &[u8]) -> usize {
        whole.len() - 3
    }
}
