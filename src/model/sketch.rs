//! Distributions that can be added up: percentiles of a whole session from those of its minutes.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Values below this are told apart exactly; above, a step is at most a 32nd of its value.
const EXACT: u32 = 64;
/// Steps from one power of two to the next.
const STEPS: u32 = 32;
/// Most steps that there can be.
const MOST: usize = 64 + 26 * 32;
/// Bytes for which there is more room when there is too little.
const ROOM: usize = 16;

/// How often values occurred, with the values rounded to within 1.6 %. Sketches add up without
/// further loss, whatever the order, so that a year of minutes becomes a few rows and every
/// percentile stays what it was.
///
/// It is kept in memory as it is on disk: every target has one with some thirty steps, of which
/// nearly all take two bytes so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Listed", into = "Listed")]
pub struct Sketch {
    /// Of each step, in order, the distance from the one before and the count as LEB128; no count
    /// is zero.
    bytes: Vec<u8>,
}

/// A step, and how many values lie in it.
type Step = (u16, u32);

/// A sketch for whoever reads numbers.
#[derive(Serialize, Deserialize)]
struct Listed {
    steps: Vec<Step>,
}

impl From<Listed> for Sketch {
    fn from(listed: Listed) -> Self {
        let mut sketch = Self::default();
        let sound = |(step, count): &Step| usize::from(*step) < MOST && *count > 0;
        listed.steps.into_iter().filter(sound).for_each(|it| sketch.add(it));
        sketch
    }
}

impl From<Sketch> for Listed {
    fn from(sketch: Sketch) -> Self {
        Self { steps: sketch.steps().collect() }
    }
}

impl Sketch {
    /// A sketch of one value.
    #[must_use]
    pub fn of(value: u32) -> Self {
        let mut bytes = Vec::new();
        put_step(&mut bytes, 0, (step(value), 1));
        Self { bytes }
    }

    /// Counts one more value.
    pub fn record(&mut self, value: u32) {
        self.add((step(value), 1));
    }

    /// Adds all values of another sketch.
    pub fn merge(&mut self, other: &Self) {
        let mut sum = Vec::with_capacity(self.bytes.len() + other.bytes.len());
        let mut before = 0;
        let (mut ours, mut theirs) = (self.steps().peekable(), other.steps().peekable());
        loop {
            let (one, another) = (ours.peek().copied(), theirs.peek().copied());
            let Some(step) = [one, another].into_iter().flatten().map(|(step, _)| step).min()
            else {
                break;
            };
            let of_ours = ours.next_if(|(it, _)| *it == step);
            let of_theirs = theirs.next_if(|(it, _)| *it == step);
            let counts = [of_ours, of_theirs].into_iter().flatten();
            let count = counts.fold(0, |sum: u32, (_, count)| sum.saturating_add(count));
            put_step(&mut sum, before, (step, count));
            before = step;
        }
        sum.shrink_to_fit();
        self.bytes = sum;
    }

    /// Values counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.steps().map(|(_, count)| u64::from(count)).sum()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The value that `percent` of the values do not exceed (nearest rank), to within 1.6 %; none
    /// when nothing was counted.
    #[must_use]
    pub fn percentile(&self, percent: u32) -> Option<u32> {
        let rank = (self.count() * u64::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0;
        let reached = self.steps().find(|(_, count)| {
            seen += u64::from(*count);
            seen >= rank
        });
        reached.map(|(step, _)| middle(step))
    }

    /// The sketch as few bytes, to be appended to `bytes`: how many steps, then the distance from
    /// the step before and the count of each, all as LEB128.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        put(bytes, u32::try_from(self.steps().count()).unwrap_or(u32::MAX));
        bytes.extend_from_slice(&self.bytes);
    }

    /// Reads what [`encode`](Self::encode) wrote and advances `bytes` past it; none when it is
    /// anything else.
    #[must_use]
    pub fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let len = usize::try_from(take(bytes)?).ok().filter(|len| *len <= MOST)?;
        let all = *bytes;
        let mut before = None;
        for _ in 0..len {
            let distance = u16::try_from(take(bytes)?).ok()?;
            let count = take(bytes)?;
            let step = before.unwrap_or(0_u16).checked_add(distance)?;
            if count == 0 || before == Some(step) || usize::from(step) >= MOST {
                return None;
            }
            before = Some(step);
        }
        Some(Self { bytes: all[..all.len() - bytes.len()].to_vec() })
    }

    fn steps(&self) -> Steps<'_> {
        Steps { rest: &self.bytes, before: 0 }
    }

    /// Counts more values in a step: puts it before the first that does not come before it, or
    /// in its place when it is the same.
    fn add(&mut self, (step, count): Step) {
        let len = self.bytes.len();
        let mut steps = self.steps();
        let (start, before, next) = loop {
            let (start, before) = (len - steps.rest.len(), steps.before);
            match steps.next() {
                Some((earlier, _)) if earlier < step => {}
                next => break (start, before, next),
            }
        };
        let end = len - steps.rest.len();
        let mut piece = SmallVec::<[u8; 16]>::new();
        match next {
            Some((same, more)) if same == step => {
                put_step(&mut piece, before, (step, count.saturating_add(more)));
            }
            next => {
                put_step(&mut piece, before, (step, count));
                if let Some(next) = next {
                    put_step(&mut piece, step, next);
                }
            }
        }
        if len - (end - start) + piece.len() > self.bytes.capacity() {
            // There is one of every target, and doubling would leave a quarter empty.
            self.bytes.reserve_exact(ROOM.max(len / 4));
        }
        self.bytes.splice(start..end, piece);
    }
}

/// The steps of a sketch that are left, and which one was before them.
struct Steps<'s> {
    rest: &'s [u8],
    before: u16,
}

impl Iterator for Steps<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let distance = u16::try_from(take(&mut self.rest)?).ok()?;
        self.before = self.before.checked_add(distance)?;
        Some((self.before, take(&mut self.rest)?))
    }
}

/// What was measured of a path, minute by minute and echo by echo, as distributions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// Round trips of every reply, in microseconds.
    pub rtt: Sketch,
    /// Round-trip jitter by RFC 3550 at the end of each stretch, in microseconds.
    pub jitter: Sketch,
    /// Packets lost in each stretch while there was a path, in hundredths of a percent.
    pub loss: Sketch,
    /// Mean opinion score of each stretch, in hundredths.
    pub mos: Sketch,
}

impl Spread {
    /// Adds everything of another.
    pub fn merge(&mut self, other: &Self) {
        self.rtt.merge(&other.rtt);
        self.jitter.merge(&other.jitter);
        self.loss.merge(&other.loss);
        self.mos.merge(&other.mos);
    }

    /// All four as few bytes; none at all when they are empty.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if *self != Self::default() {
            for sketch in [&self.rtt, &self.jitter, &self.loss, &self.mos] {
                sketch.encode(&mut bytes);
            }
        }
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote; none when it is anything else.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let read = Self {
            rtt: Sketch::decode(&mut bytes)?,
            jitter: Sketch::decode(&mut bytes)?,
            loss: Sketch::decode(&mut bytes)?,
            mos: Sketch::decode(&mut bytes)?,
        };
        bytes.is_empty().then_some(read)
    }
}

/// The step of a value: itself up to [`EXACT`], then [`STEPS`] for each doubling.
fn step(value: u32) -> u16 {
    if value < EXACT {
        return u16::try_from(value).unwrap_or(u16::MAX);
    }
    let doublings = value.ilog2() - EXACT.ilog2();
    let within = (value >> (value.ilog2() - STEPS.ilog2())) - STEPS;
    u16::try_from(EXACT + doublings * STEPS + within).unwrap_or(u16::MAX)
}

/// The middle of the values that share a step.
fn middle(step: u16) -> u32 {
    let step = u32::from(step);
    if step < EXACT {
        return step;
    }
    let (doublings, within) = ((step - EXACT) / STEPS, (step - EXACT) % STEPS);
    let width = 1u32 << (doublings + EXACT.ilog2() - STEPS.ilog2());
    (STEPS + within) * width + (width - 1) / 2
}

/// Appends a step that comes after `before`.
fn put_step(bytes: &mut impl Extend<u8>, before: u16, (step, count): Step) {
    put(bytes, u32::from(step - before));
    put(bytes, count);
}

/// Appends a number as LEB128.
fn put(bytes: &mut impl Extend<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.extend([(number & 0x7F) as u8 | 0x80]);
        number >>= 7;
    }
    bytes.extend([(number & 0x7F) as u8]);
}

/// Takes a number that [`put`] appended; none when it would have taken fewer bytes for it.
fn take(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u32::from(byte & 0x7F);
        if shift == 28 && part > 0xF {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return (part > 0 || shift == 0).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_value_lies_within_a_sixtieth_of_the_middle_of_its_step() {
        let values = (0..32).flat_map(|bits: u32| {
            let base = 1u64 << bits;
            [base, base + base / 3, base * 2 - 1]
        });
        let mut before = 0;
        for value in values.filter_map(|value| u32::try_from(value).ok()) {
            let shown = middle(step(value));
            let off = f64::from(value.abs_diff(shown));
            assert!(off <= f64::from(value) / 62.0, "{value} is shown as {shown}");
            assert!(usize::from(step(value)) < MOST);
            assert!(step(value) >= before, "steps follow the values");
            before = step(value);
        }
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut sketch = Sketch::default();
        assert_eq!(sketch.percentile(50), None);
        for value in 1..=50 {
            sketch.record(value);
        }
        assert_eq!([1, 50, 95, 100].map(|p| sketch.percentile(p)), [1, 25, 48, 50].map(Some));
    }

    #[test]
    fn what_is_kept_of_a_path_takes_two_bytes_a_step() {
        let mut sketch = Sketch::default();
        for second in 0..900 {
            sketch.record(2_000 + second * 7_919 % 3_000);
        }
        let steps = sketch.steps().count();
        assert!((30..60).contains(&steps), "{steps}");
        assert!(sketch.bytes.capacity() <= 2 * steps + 2 + ROOM.max(steps / 2));
    }

    #[test]
    fn a_sketch_is_told_in_numbers_and_understood_again() {
        let mut sketch = Sketch::of(3);
        [70_000, 3, 5].into_iter().for_each(|value| sketch.record(value));
        let told = serde_json::to_string(&sketch).unwrap();
        assert_eq!(told, r#"{"steps":[[3,2],[5,1],[386,1]]}"#);
        assert_eq!(serde_json::from_str::<Sketch>(&told).unwrap(), sketch);
        let odd = r#"{"steps":[[5,1],[3,1],[9,0],[60000,1],[3,1]]}"#;
        let sound = serde_json::from_str::<Sketch>(odd).unwrap();
        assert_eq!(sound.steps().collect::<Vec<_>>(), [(3, 2), (5, 1)]);
    }

    #[test]
    fn garbage_is_no_sketch() {
        for garbage in [
            &[5][..],
            &[1, 3, 0],
            &[2, 3, 1, 0, 1],
            &[1, 255, 255, 255, 255, 255],
            &[0, 0, 0, 0, 0],
            &[1, 0x83, 0, 1, 0, 0, 0],
        ] {
            assert_eq!(Spread::decode(garbage), None, "{garbage:?}");
        }
    }

    proptest! {
        #[test]
        fn adding_up_in_any_order_gives_the_same(
            values in proptest::collection::vec(prop_oneof![any::<u32>(), 50..900_u32], 0..200),
            cut in 0usize..200,
        ) {
            let sketch = |values: &[u32]| {
                let mut sketch = Sketch::default();
                values.iter().for_each(|value| sketch.record(*value));
                sketch
            };
            let (a, b) = values.split_at(cut.min(values.len()));
            let (mut ab, mut ba) = (sketch(a), sketch(b));
            ab.merge(&sketch(b));
            ba.merge(&sketch(a));
            prop_assert_eq!(&ab, &sketch(&values));
            prop_assert_eq!(&ab, &ba);
            let mut counted = BTreeMap::new();
            for value in &values {
                *counted.entry(step(*value)).or_insert(0_u32) += 1;
            }
            prop_assert_eq!(ab.steps().collect::<BTreeMap<_, _>>(), counted);
            prop_assert!(ab.steps().is_sorted());
            let spread = Spread { rtt: ab.clone(), mos: sketch(a), ..Spread::default() };
            prop_assert_eq!(Spread::decode(&spread.encode()), Some(spread));
        }
    }
}
