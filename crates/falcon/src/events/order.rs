//! Keeping count of the offsets of a partition: what is missing is seen, what comes twice is dropped.

use chrono::{DateTime, Utc};

use super::checkpoint::Position;

/// What an offset means after those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It was seen before.
    Again,
    /// There is a hole in front of it, behind this offset.
    Behind(u64),
    /// Nothing is missing.
    Next,
    /// The numbers begin anew; this was the last before.
    Renumbered(u64),
}

/// How far a partition was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Track {
    last: Option<Position>,
    /// Lines since the last event that showed no offset: each may be one that is missed.
    unread: u64,
    /// Whether every offset comes. Where types are chosen, those of the others do not.
    dense: bool,
}

impl Track {
    pub(crate) fn new(last: Option<Position>, dense: bool) -> Self {
        Self { last, unread: 0, dense }
    }

    /// The last offset that was seen.
    pub(crate) fn last(&self) -> Option<Position> {
        self.last
    }

    /// The offset at which reading goes on.
    pub(crate) fn next(&self) -> Option<u64> {
        self.last.map(|p| p.offset.saturating_add(1))
    }

    /// Takes note of a line without an offset.
    pub(crate) fn unread(&mut self) {
        self.unread += 1;
    }

    /// Goes over an event that cannot be had.
    pub(crate) fn skip(&mut self) -> Option<u64> {
        let last = self.last.as_mut()?;
        last.offset = last.offset.saturating_add(1);
        Some(last.offset)
    }

    /// Begins to read anew: lines that showed no offset come again.
    pub(crate) fn reconnected(&mut self) {
        self.unread = 0;
    }

    /// Takes note of an offset, and of when its event was made.
    pub(crate) fn see(&mut self, offset: u64, created: Option<DateTime<Utc>>) -> Seen {
        let seen = self.judge(offset, created);
        if seen != Seen::Again {
            self.unread = 0;
            // The newest time counts: events of one moment do not come in its order.
            let newest = self.last.and_then(|p| p.created).max(created);
            self.last = Some(Position { offset, created: newest });
        }
        seen
    }

    fn judge(&self, offset: u64, created: Option<DateTime<Utc>>) -> Seen {
        let Some(last) = self.last else { return Seen::Next };
        if offset <= last.offset {
            let newer = matches!((created, last.created), (Some(now), Some(then)) if now > then);
            return if newer { Seen::Renumbered(last.offset) } else { Seen::Again };
        }
        let missing = offset - last.offset - 1;
        if self.dense && missing > self.unread { Seen::Behind(last.offset) } else { Seen::Next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(seconds, 0)
    }

    fn track(offsets: &[u64], dense: bool) -> (Track, Vec<Seen>) {
        let mut track = Track::new(None, dense);
        let seen = offsets.iter().map(|offset| track.see(*offset, at(100))).collect();
        (track, seen)
    }

    #[test]
    fn holes_are_seen_and_repetitions_dropped() {
        use Seen::{Again, Behind, Next};
        assert_eq!(
            track(&[7, 8, 8, 7, 9, 12, 13], true).1,
            [Next, Next, Again, Again, Next, Behind(9), Next]
        );
        assert_eq!(track(&[7, 12, 12, 40], false).1, [Next, Next, Again, Next], "types were chosen");
        assert_eq!(track(&[7, 9], true).0.next(), Some(10));
    }

    #[test]
    fn a_line_without_an_offset_explains_one_that_is_missing() {
        for (unread, expected) in [(0, Seen::Behind(7)), (1, Seen::Behind(7)), (2, Seen::Next)] {
            let (mut track, _) = track(&[7], true);
            (0..unread).for_each(|_| track.unread());
            assert_eq!(track.see(10, None), expected);
            assert_eq!(track.see(12, None), Seen::Behind(10), "once");
        }
    }

    #[test]
    fn numbers_that_begin_anew_are_no_repetition() {
        let (mut track, _) = track(&[500], true);
        assert_eq!(track.see(3, at(90)), Seen::Again);
        assert_eq!(track.see(3, at(101)), Seen::Renumbered(500));
        assert_eq!(track.see(4, at(95)), Seen::Next);
        assert_eq!(track.last(), Some(Position { offset: 4, created: at(101) }));
    }

    #[test]
    fn what_cannot_be_had_is_gone_over() {
        assert_eq!(Track::new(None, true).skip(), None);
        let (mut track, _) = track(&[7], true);
        assert_eq!(track.skip(), Some(8));
        assert_eq!(track.see(9, None), Seen::Next);
    }

    proptest::proptest! {
        #[test]
        fn every_offset_is_given_out_told_as_missing_or_a_repetition(steps in proptest::collection::vec(0_u64..4, 1..60)) {
            let mut track = Track::new(None, true);
            let (mut at, mut given, mut told) = (100_u64, Vec::new(), Vec::new());
            for step in steps {
                at += step;
                match track.see(at, None) {
                    Seen::Again => proptest::prop_assert!(given.contains(&at)),
                    Seen::Behind(last) => {
                        told.extend(last + 1..at);
                        given.push(at);
                    }
                    Seen::Next => given.push(at),
                    Seen::Renumbered(_) => proptest::prop_assert!(false, "no time was given"),
                }
            }
            let mut all: Vec<u64> = given.iter().chain(&told).copied().collect();
            all.sort_unstable();
            let whole: Vec<u64> = (given[0]..=at).collect();
            proptest::prop_assert_eq!(all, whole);
        }
    }
}
