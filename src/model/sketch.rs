//! Distributions that can be added up: percentiles of a whole session from those of its minutes.

use serde::{Deserialize, Serialize};

/// Values below this are told apart exactly; above, a step is at most a 32nd of its value.
const EXACT: u32 = 64;
/// Steps from one power of two to the next.
const STEPS: u32 = 32;
/// Most steps that there can be.
const MOST: usize = 64 + 26 * 32;
/// Steps for which there is more room when there is too little.
const ROOM: usize = 4;

/// How often values occurred, with the values rounded to within 1.6 %. Sketches add up without
/// further loss, whatever the order, so that a year of minutes becomes a few rows and every
/// percentile stays what it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    /// By step; no count is zero.
    steps: Vec<Step>,
}

/// A step and how many values lie in it. Packed, since every target has some thirty of them: a
/// quarter of it would be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u16, u32)", into = "(u16, u32)")]
#[repr(Rust, packed(2))]
struct Step {
    step: u16,
    count: u32,
}

impl From<(u16, u32)> for Step {
    fn from((step, count): (u16, u32)) -> Self {
        Self { step, count }
    }
}

impl From<Step> for (u16, u32) {
    fn from(Step { step, count }: Step) -> Self {
        (step, count)
    }
}

impl Sketch {
    /// A sketch of one value.
    #[must_use]
    pub fn of(value: u32) -> Self {
        Self { steps: vec![Step { step: step(value), count: 1 }] }
    }

    /// Counts one more value.
    pub fn record(&mut self, value: u32) {
        self.add(step(value), 1);
    }

    /// Adds all values of another sketch.
    pub fn merge(&mut self, other: &Self) {
        for Step { step, count } in other.steps.iter().copied() {
            self.add(step, count);
        }
    }

    /// Values counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.steps.iter().map(|it| u64::from(it.count)).sum()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The value that `percent` of the values do not exceed (nearest rank), to within 1.6 %; none
    /// when nothing was counted.
    #[must_use]
    pub fn percentile(&self, percent: u32) -> Option<u32> {
        let rank = (self.count() * u64::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0;
        let reached = self.steps.iter().find(|it| {
            seen += u64::from(it.count);
            seen >= rank
        });
        reached.map(|it| middle(it.step))
    }

    /// The sketch as few bytes, to be appended to `bytes`: how many steps, then the distance from
    /// the step before and the count of each, all as LEB128.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        put(bytes, u32::try_from(self.steps.len()).unwrap_or(u32::MAX));
        let mut before = 0;
        for Step { step, count } in self.steps.iter().copied() {
            put(bytes, u32::from(step - before));
            put(bytes, count);
            before = step;
        }
    }

    /// Reads what [`encode`](Self::encode) wrote and advances `bytes` past it; none when it is
    /// anything else.
    #[must_use]
    pub fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let len = usize::try_from(take(bytes)?).ok().filter(|len| *len <= MOST)?;
        let mut steps: Vec<Step> = Vec::with_capacity(len);
        for _ in 0..len {
            let distance = u16::try_from(take(bytes)?).ok()?;
            let count = take(bytes)?;
            let step = match steps.last().copied() {
                Some(before) if distance > 0 => { before.step }.checked_add(distance)?,
                Some(_) => return None,
                None => distance,
            };
            if count == 0 || usize::from(step) >= MOST {
                return None;
            }
            steps.push(Step { step, count });
        }
        Some(Self { steps })
    }

    fn add(&mut self, step: u16, count: u32) {
        match self.steps.binary_search_by_key(&step, |it| it.step) {
            Ok(at) => self.steps[at].count = { self.steps[at].count }.saturating_add(count),
            Err(at) => {
                if self.steps.len() == self.steps.capacity() {
                    // There is one of every target, and doubling would leave a quarter empty.
                    self.steps.reserve_exact(ROOM.max(self.steps.len() / 4));
                }
                self.steps.insert(at, Step { step, count });
            }
        }
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

/// Appends a number as LEB128.
fn put(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7F) as u8);
}

/// Takes a number that [`put`] appended.
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
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
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
    fn a_step_takes_six_bytes() {
        assert_eq!(size_of::<Step>(), 6);
    }

    #[test]
    fn garbage_is_no_sketch() {
        for garbage in [
            &[5][..],
            &[1, 3, 0],
            &[2, 3, 1, 0, 1],
            &[1, 255, 255, 255, 255, 255],
            &[0, 0, 0, 0, 0],
        ] {
            assert_eq!(Spread::decode(garbage), None, "{garbage:?}");
        }
    }

    proptest! {
        #[test]
        fn adding_up_in_any_order_gives_the_same(
            values in proptest::collection::vec(any::<u32>(), 0..200),
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
            let spread = Spread { rtt: ab.clone(), mos: sketch(a), ..Spread::default() };
            prop_assert_eq!(Spread::decode(&spread.encode()), Some(spread));
        }
    }
}
