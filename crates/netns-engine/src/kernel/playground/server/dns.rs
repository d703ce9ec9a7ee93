//! A name server that knows one name (RFC 1035, RFC 3596).

use crate::kernel::playground::{SERVER_NAME, SERVER_V4, SERVER_V6};

/// `struct` of a header: id, flags, and four counts of two bytes each.
const HEADER_BYTES: usize = 12;
/// QR, AA and RA set, and RD copied: an authoritative answer of a server that would recurse.
const RESPONSE_FLAGS: u16 = 0x8480;
const RECURSION_DESIRED: u16 = 0x0100;
const NO_SUCH_NAME: u16 = 3;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_INTERNET: u16 = 1;
/// How long a resolver may keep the answer, in seconds: experiments change quickly.
const TIME_TO_LIVE: u32 = 1;

/// The one question of a query.
struct Question<'a> {
    /// Its bytes, to be repeated in the answer.
    bytes: &'a [u8],
    name: String,
    kind: u16,
    class: u16,
}

/// Answers a query; anything that is no query gets no answer.
pub(super) fn answer(query: &[u8]) -> Option<Vec<u8>> {
    const RESPONSE: u16 = 0x8000;
    let flags = number(query, 2)?;
    if flags & RESPONSE != 0 || number(query, 4)? != 1 {
        return None;
    }
    let question = question(query.get(HEADER_BYTES..)?)?;
    let known = question.name.eq_ignore_ascii_case(SERVER_NAME) && question.class == CLASS_INTERNET;
    let data: Option<Vec<u8>> = match question.kind {
        TYPE_A if known => Some(SERVER_V4.octets().to_vec()),
        TYPE_AAAA if known => Some(SERVER_V6.octets().to_vec()),
        _ => None,
    };
    let code = if known { 0 } else { NO_SUCH_NAME };
    let mut response = query.get(..2)?.to_vec();
    for word in [RESPONSE_FLAGS | (flags & RECURSION_DESIRED) | code, 1, u16::from(data.is_some()), 0, 0] {
        response.extend_from_slice(&word.to_be_bytes());
    }
    response.extend_from_slice(question.bytes);
    if let Some(data) = data {
        append_record(&mut response, question.kind, &data);
    }
    Some(response)
}

fn append_record(response: &mut Vec<u8>, kind: u16, data: &[u8]) {
    /// A pointer to the name in the question, right behind the header (RFC 1035, 4.1.4).
    const NAME_OF_QUESTION: u16 = 0xc00c;
    for word in [NAME_OF_QUESTION, kind, CLASS_INTERNET] {
        response.extend_from_slice(&word.to_be_bytes());
    }
    response.extend_from_slice(&TIME_TO_LIVE.to_be_bytes());
    response.extend_from_slice(&u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
    response.extend_from_slice(data);
}

/// Reads the question: labels up to an empty one, then type and class.
fn question(bytes: &[u8]) -> Option<Question<'_>> {
    let mut labels = Vec::new();
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        match length {
            0 => break,
            // Longer values are pointers, which no question needs.
            1..=63 => labels.push(std::str::from_utf8(bytes.get(at..at + length)?).ok()?),
            _ => return None,
        }
        at += length;
    }
    let (kind, class) = (number(bytes, at)?, number(bytes, at + 2)?);
    Some(Question { bytes: bytes.get(..at + 4)?, name: labels.join("."), kind, class })
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut query = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend_from_slice(label.as_bytes());
        }
        query.push(0);
        query.extend_from_slice(&kind.to_be_bytes());
        query.extend_from_slice(&1_u16.to_be_bytes());
        query
    }

    #[test]
    fn the_known_name_has_an_address_and_others_do_not_exist() {
        let known = answer(&query("Example.TEST", TYPE_A)).unwrap();
        assert_eq!(known[..4], [0xab, 0xcd, 0x85, 0x80], "same id, recursion bits, no error");
        assert!(known.ends_with(&[0, 4, 203, 0, 113, 8]));
        assert!(answer(&query("example.test", TYPE_AAAA)).unwrap().ends_with(&SERVER_V6.octets()));
        let unknown = answer(&query("example.com", TYPE_A)).unwrap();
        assert_eq!((unknown[3] & 0xf, unknown[7]), (3, 0), "NXDOMAIN and no record");
    }

    #[test]
    fn broken_queries_are_left_unanswered() {
        let whole = query("example.test", TYPE_A);
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length]), None, "cut after {length} bytes");
        }
        let mut pointer = whole.clone();
        pointer[12] = 0xc0;
        assert_eq!(answer(&pointer), None, "a name that is a pointer to itself");
        let mut response = whole;
        response[2] |= 0x80;
        assert_eq!(answer(&response), None, "an answer is no question: two servers must not talk for ever");
    }
}
