//! The name server of a sandbox, which knows no name but those of its gateway: it says so, and notes who asked for what.
//!
//! Without it a program would be told that the server cannot be reached, some only after seconds; and nobody would
//! know the name (RFC 1035, section 4).

use std::os::fd::AsRawFd;

use model::violation::Kind;

use super::Watcher;
use super::process::ancestry;
use crate::kernel;

/// A question is never longer: one packet of the old kind.
const PACKET: usize = 1232;
const HEADER: usize = 12;
/// Where the question's name begins, as a pointer says it.
const HEADER_OFFSET: u8 = 12;

impl Watcher<'_> {
    /// Answers the questions that wait.
    pub(super) fn look_up(&mut self) {
        let Some(names) = &self.names else { return };
        let socket = names.as_raw_fd();
        let mut packet = [0; PACKET];
        while let Ok((length, from)) = kernel::receive_from(socket, &mut packet) {
            let Some((name, end)) = question(&packet[..length]) else { continue };
            if self.gateway.is_some_and(|gateway| gateway.knows(&name.to_ascii_lowercase())) {
                kernel::send_to(socket, &here(&packet[..end]), &from);
                continue;
            }
            let by = self.resolving.map_or_else(Vec::new, |pid| ancestry(pid, self.init));
            self.record.add(Kind::Network, &name, || by);
            kernel::send_to(socket, &no_such_name(&packet[..end]), &from);
        }
    }
}

/// The name that is asked for, and where the question ends.
fn question(packet: &[u8]) -> Option<(String, usize)> {
    let header = packet.get(..HEADER)?;
    let is_query = header[2] & 0xf8 == 0; // a question, of the standard kind
    if !is_query || header[4..6] != [0, 1] {
        return None;
    }
    let mut labels: Vec<String> = Vec::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        match length {
            0 => break,
            1..=63 if labels.len() < 128 => {
                let label = packet.get(at..at + length)?;
                let plain = |b: &u8| if b.is_ascii_graphic() { char::from(*b) } else { '?' };
                labels.push(label.iter().map(plain).collect());
                at += length;
            }
            _ => return None, // a pointer has no place in the only name
        }
    }
    let end = at + 4; // type and class
    (packet.len() >= end && !labels.is_empty()).then(|| (labels.join("."), end))
}

/// "There is no such name", to a question without what may follow it.
fn no_such_name(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] = 0x84 | question[2] & 0x01; // an answer, from who must know it; recursion as it was desired
    answer[3] = 0x80 | 3; // recursion available; NXDOMAIN
    answer[6..HEADER].fill(0); // no records of any kind
    answer
}

/// The address of this host, to a question for one of IPv4; to every other one, that there is none of that kind.
fn here(question: &[u8]) -> Vec<u8> {
    const ADDRESS: &[u8] = &[0, 1, 0, 1]; // A, IN
    let mut answer = question.to_vec();
    answer[2] = 0x84 | question[2] & 0x01;
    answer[3] = 0x80;
    answer[6..HEADER].fill(0);
    if question.ends_with(ADDRESS) {
        answer[7] = 1; // one record: the name of the question, A, IN, for an hour, four bytes
        answer.extend_from_slice(&[0xc0, HEADER_OFFSET, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 127, 0, 0, 1]);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\
        \x07example\x03org\x00\x00\x01\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";

    #[test]
    fn a_question_is_read_and_answered() {
        let (name, end) = question(QUERY).unwrap();
        assert_eq!((name.as_str(), end), ("example.org", 29));
        let answer = no_such_name(&QUERY[..end]);
        assert_eq!(&answer[..12], b"\x12\x34\x85\x83\x00\x01\x00\x00\x00\x00\x00\x00");
        assert_eq!(answer[12..], QUERY[12..29]);
    }

    #[test]
    fn a_host_behind_the_gateway_is_here() {
        let answer = here(&QUERY[..29]);
        assert_eq!(&answer[..12], b"\x12\x34\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00");
        assert_eq!(answer[29..], *b"\xc0\x0c\0\x01\0\x01\0\0\x0e\x10\0\x04\x7f\0\0\x01");
        let mut six = QUERY[..29].to_vec();
        six[26] = 28; // AAAA
        assert_eq!(here(&six)[6..8], [0, 0], "there is none of IPv6");
    }

    #[test]
    fn what_is_no_question_is_passed_over() {
        for end in 0..29 {
            assert!(question(&QUERY[..end]).is_none(), "{end} bytes");
        }
        let mut answer = QUERY.to_vec();
        answer[2] |= 0x80;
        assert!(question(&answer).is_none(), "an answer");
        let mut pointer = QUERY.to_vec();
        pointer[12] = 0xc0;
        assert!(question(&pointer).is_none(), "a pointer to itself");
    }
}
