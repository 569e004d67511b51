//! From the table to a program of the kernel's classic BPF.

use libc::sock_filter;

use super::{Answer, Rule, Topics, When, table};

/// What the architecture is called in `seccomp_data`.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

/// Offsets in `struct seccomp_data`: number, architecture, and the first of six 64-bit arguments (little-endian).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Whether somebody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// Calls can go to the caller.
    There,
    /// They cannot.
    None,
}

/// A filter, ready for the kernel.
#[derive(Debug)]
pub(crate) struct Filter(Vec<sock_filter>);

impl Filter {
    /// Compiles the table for `topics` and a command of this user and group.
    pub(crate) fn new(topics: Topics, listener: Listener, ids: (u32, u32)) -> Self {
        Self::of(table::rules().collect(), &Compiler { topics, listener, ids })
    }

    fn of(mut rules: Vec<Rule>, compiler: &Compiler) -> Self {
        rules.sort_by_key(|rule| rule.number);
        debug_assert!(rules.windows(2).all(|pair| pair[0].number < pair[1].number), "a call stands twice");
        let mut program = vec![load(ARCHITECTURE), jump_unless_equal(ARCH, 1), jump(1)];
        program.push(give(errno(libc::ENOSYS)));
        program.push(load(NUMBER));
        program.extend(compiler.tree(&compiler.ranges(&rules)));
        Self(program)
    }

    /// The same, but no socket of any family can be made: for where the network is the caller's.
    pub(crate) fn without_sockets(topics: Topics, listener: Listener, ids: (u32, u32)) -> Self {
        let none = |rule: Rule| match rule.number {
            libc::SYS_socket => Rule { cases: &[], otherwise: Answer::Refuse(libc::EAFNOSUPPORT), ..rule },
            _ => rule,
        };
        Self::of(table::rules().map(none).collect(), &Compiler { topics, listener, ids })
    }

    /// For the users of an image: a file may be given to any of them, and a root within the root does no harm.
    pub(crate) fn of_image(topics: Topics, listener: Listener) -> Self {
        let of_owners = |rule: &Rule| rule.cases.iter().any(|(when, _)| matches!(when, When::OtherUser(_)));
        let all = |rule: Rule| match rule {
            rule if of_owners(&rule) || rule.number == libc::SYS_chroot => {
                Rule { cases: &[], otherwise: Answer::Allow, ..rule }
            }
            rule => rule,
        };
        Self::of(table::rules().map(all).collect(), &Compiler { topics, listener, ids: (0, 0) })
    }

    /// The instructions; at most 4096.
    pub(crate) fn instructions(&self) -> &[sock_filter] {
        &self.0
    }
}

struct Compiler {
    topics: Topics,
    listener: Listener,
    /// User and group as the command sees them.
    ids: (u32, u32),
}

/// Numbers from `from` on (to the next range) and what is done with them.
struct Range {
    from: u32,
    body: Vec<sock_filter>,
}

impl Compiler {
    /// Every number is in exactly one range; neighbours with the same plain answer are one.
    fn ranges(&self, rules: &[Rule]) -> Vec<Range> {
        let unknown = || vec![give(errno(libc::ENOSYS))];
        let mut ranges = vec![Range { from: 0, body: unknown() }];
        let mut add = |from: u32, body: Vec<sock_filter>| {
            let last = ranges.last_mut().expect("there is a first one");
            if same(&last.body, &body) {
                return;
            }
            if last.from == from {
                last.body = body;
            } else {
                ranges.push(Range { from, body });
            }
        };
        for rule in rules {
            let number = u32::try_from(rule.number).expect("system calls have small numbers");
            add(number, self.body(rule));
            add(number + 1, unknown());
        }
        // Two steps back to the same answer: `add` has put the unknown one between neighbours only for a moment.
        let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last() {
                Some(last) if same(&last.body, &range.body) => {}
                _ => merged.push(range),
            }
        }
        merged
    }

    /// A binary search; the number is in the accumulator.
    fn tree(&self, ranges: &[Range]) -> Vec<sock_filter> {
        if let [only] = ranges {
            return only.body.clone();
        }
        let (left, right) = ranges.split_at(ranges.len() / 2);
        let pivot = right.first().expect("at least two are split into at least one each").from;
        let (left, right) = (self.tree(left), self.tree(right));
        let over = u32::try_from(left.len()).expect("a filter has at most 4096 instructions");
        let mut program = vec![jump_unless_at_least(pivot, 1), jump(over)];
        program.extend(left);
        program.extend(right);
        program
    }

    /// Instructions that end with an answer.
    fn body(&self, rule: &Rule) -> Vec<sock_filter> {
        let mut program = Vec::new();
        for (when, answer) in rule.cases {
            let then = give(self.value(*answer));
            match *when {
                When::Is(argument, value) => {
                    program.extend([load_argument(argument), jump_unless_equal(value, 1), then]);
                }
                When::Has(argument, bits) => {
                    program.extend([load_argument(argument), jump_unless_has(bits, 1), then]);
                }
                When::Both(a, is, b, has) => {
                    program.extend([load_argument(a), jump_unless_equal(is, 3), load_argument(b)]);
                    program.extend([jump_unless_equal(has, 1), then]);
                }
                When::OtherUser(argument) => program.extend(other(argument, self.ids.0, then)),
                When::OtherGroup(argument) => program.extend(other(argument, self.ids.1, then)),
                When::NotNull(argument) => {
                    // Low half zero, high half zero: past the answer.
                    program.extend([load_argument(argument), jump_unless_equal(0, 2)]);
                    program.extend([load(ARGUMENTS + 8 * argument + 4), jump_if_equal(0, 1), then]);
                }
            }
        }
        program.push(give(self.value(rule.otherwise)));
        // Cases that answer as the rest does need no looking at: the kernel can then remember the call.
        if rule.cases.iter().all(|(_, answer)| self.value(*answer) == self.value(rule.otherwise)) {
            return vec![give(self.value(rule.otherwise))];
        }
        program
    }

    fn value(&self, answer: Answer) -> u32 {
        match (answer, self.listener) {
            (Answer::Refuse(number), _) => errno(number),
            (Answer::Tell, Listener::There) => libc::SECCOMP_RET_USER_NOTIF,
            (Answer::Tell, Listener::None) => errno(libc::EPERM),
            (Answer::Ask(topics), Listener::There) if topics.meets(self.topics) => {
                libc::SECCOMP_RET_USER_NOTIF
            }
            (Answer::Ask(_) | Answer::Allow, _) => libc::SECCOMP_RET_ALLOW,
        }
    }
}

/// Answers `then` unless the argument is this id or -1.
fn other(argument: u32, own: u32, then: sock_filter) -> [sock_filter; 4] {
    [load_argument(argument), jump_if_equal(u32::MAX, 2), jump_if_equal(own, 1), then]
}

/// Equal, and without a look at arguments.
fn same(a: &[sock_filter], b: &[sock_filter]) -> bool {
    matches!((a, b), ([a], [b]) if a.code == b.code && a.k == b.k)
}

fn errno(number: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | number.unsigned_abs()
}

const fn instruction(code: u32, yes: u8, no: u8, k: u32) -> sock_filter {
    #[expect(clippy::cast_possible_truncation, reason = "BPF codes are small constants")]
    sock_filter { code: code as u16, jt: yes, jf: no, k }
}

const fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

const fn load_argument(argument: u32) -> sock_filter {
    load(ARGUMENTS + 8 * argument)
}

const fn give(value: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, value)
}

const fn jump(over: u32) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JA, 0, 0, over)
}

const fn jump_unless_equal(value: u32, over: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, over, value)
}

const fn jump_if_equal(value: u32, over: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, over, 0, value)
}

const fn jump_unless_has(bits: u32, over: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, over, bits)
}

/// Falls through to a jump over the smaller numbers if the number is at least `value`, else skips that jump.
const fn jump_unless_at_least(value: u32, over: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, over, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: (u32, u32) = (1, 2);

    /// Runs a program as the kernel does.
    fn run(filter: &Filter, arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let mut data = [0_u8; 64];
        data[0..4].copy_from_slice(&number.to_ne_bytes());
        data[4..8].copy_from_slice(&arch.to_ne_bytes());
        for (slot, argument) in data[16..].chunks_exact_mut(8).zip(arguments) {
            slot.copy_from_slice(&argument.to_ne_bytes());
        }
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let i = filter.0[at];
            at += 1;
            let code = u32::from(i.code);
            let over = |holds: bool| usize::from(if holds { i.jt } else { i.jf });
            if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS {
                let offset = i.k as usize;
                accumulator = u32::from_ne_bytes(data[offset..offset + 4].try_into().unwrap());
            } else if code == libc::BPF_RET | libc::BPF_K {
                return i.k;
            } else if code == libc::BPF_JMP | libc::BPF_JA {
                at += i.k as usize;
            } else if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K {
                at += over(accumulator == i.k);
            } else if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K {
                at += over(accumulator >= i.k);
            } else if code == libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K {
                at += over(accumulator & i.k != 0);
            } else {
                panic!("unexpected instruction {code:#x}");
            }
        }
    }

    fn every() -> [Filter; 4] {
        let all = Topics::NETWORK.and(Topics::FILES).and(Topics::CLOCK).and(Topics::RANDOM);
        [
            Filter::new(Topics::default(), Listener::None, IDS),
            Filter::new(Topics::default(), Listener::There, IDS),
            Filter::new(Topics::NETWORK, Listener::There, IDS),
            Filter::new(all, Listener::There, IDS),
        ]
    }

    /// What the rule says, without a program.
    fn meant(compiler: &Compiler, number: u32, arguments: [u64; 6]) -> u32 {
        let Some(rule) = table::rules().find(|rule| rule.number == i64::from(number)) else {
            return errno(libc::ENOSYS);
        };
        let low = |at: u32| (arguments[at as usize] & 0xffff_ffff) as u32;
        let holds = |when: &When| match *when {
            When::Is(argument, value) => low(argument) == value,
            When::Has(argument, bits) => low(argument) & bits != 0,
            When::Both(a, is, b, has) => low(a) == is && low(b) == has,
            When::NotNull(argument) => arguments[argument as usize] != 0,
            When::OtherUser(argument) => ![compiler.ids.0, u32::MAX].contains(&low(argument)),
            When::OtherGroup(argument) => ![compiler.ids.1, u32::MAX].contains(&low(argument)),
        };
        let case = rule.cases.iter().find(|(when, _)| holds(when));
        compiler.value(case.map_or(rule.otherwise, |(_, answer)| *answer))
    }

    #[test]
    fn the_program_says_what_the_table_says() {
        let interesting =
            [0, 1, 2, 5, 10, 11, 16, 40, 0x1002, 0x4206, 0x5412, 0x1_0000_0000, 0x7e02_0000, u64::MAX];
        for (topics, listener) in [
            (Topics::default(), Listener::None),
            (Topics::NETWORK, Listener::There),
            (Topics::NETWORK.and(Topics::FILES).and(Topics::CLOCK), Listener::There),
        ] {
            let compiler = Compiler { topics, listener, ids: IDS };
            let filter = Filter::new(topics, listener, IDS);
            for number in (0..500).chain([0x4000_0000, u32::MAX]) {
                for first in interesting {
                    for third in [0, 1, 0x1_0000_0000] {
                        let arguments = [first, first, third, 0, third, 0];
                        let found = run(&filter, ARCH, number, arguments);
                        assert_eq!(found, meant(&compiler, number, arguments), "{number} {arguments:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn other_architectures_and_unknown_calls_are_not_there() {
        for filter in every() {
            assert!(filter.instructions().len() < 4096);
            assert_eq!(run(&filter, 0x4000_0003, 1, [0; 6]), errno(libc::ENOSYS), "i386");
            for unknown in [0x4000_0001, 999, u32::MAX] {
                assert_eq!(run(&filter, ARCH, unknown, [0; 6]), errno(libc::ENOSYS), "{unknown:#x}");
            }
        }
    }

    #[test]
    fn without_a_listener_nothing_is_asked() {
        let filter = Filter::new(Topics::NETWORK.and(Topics::FILES), Listener::None, IDS);
        let asked = filter
            .0
            .iter()
            .any(|i| u32::from(i.code) == libc::BPF_RET | libc::BPF_K && i.k == libc::SECCOMP_RET_USER_NOTIF);
        assert!(!asked);
    }
}
