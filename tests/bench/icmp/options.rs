//! What to measure.

use std::fmt;

/// What the command line asks for.
pub(crate) struct Options {
    pub(crate) targets: Vec<u32>,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) loads: Vec<Load>,
    pub(crate) seconds: u32,
    pub(crate) one_tick: bool,
    pub(crate) capture: bool,
    pub(crate) unprivileged: bool,
    pub(crate) far: bool,
    pub(crate) judge: bool,
    pub(crate) turns: u32,
}

const HELP: &str = "\
cargo bench --bench icmp -- [options]        (as root; needs fping, tcpdump and, for its row,
                                              prometheus-blackbox-exporter)
  --targets 200,2000,10000,100000   how many targets, each pinged once a second
  --engines kernel,surge,fping,blackbox
  --load idle,busy                  alone, and beside two busy processes
  --seconds 20                      length of each measurement
  --turns 5                         how often kernel and fping are measured once more, in turns of
                                    half that length one right behind the other, so that what else
                                    the machine does hits both: what a ping costs of fping's is the
                                    median of these; 0 leaves them out
  --no-one-tick                     leave out the runs with all targets on one tick
  --no-capture                      leave out the capture, and with it the over-read
  --far                             have others answer behind a TUN device, as on a real network,
                                    instead of the loopback, where an engine answers itself
  --raw                             forbid unprivileged sockets, so that raw ones are measured
  --judge                           end with an error where the kernel engine is not what it is
                                    to be, or was not measured: none lost, none unknown (one in a
                                    thousand when busy); what it reads off a capture at most 2 us
                                    at the median and 30 us for 99 of 100; from 2,000 targets on a
                                    quarter of fping's CPU per ping; 100,000 in a core and 20 MB";

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            targets: vec![200, 2_000, 10_000, 100_000],
            subjects: vec![Subject::Kernel, Subject::Surge, Subject::Fping, Subject::Blackbox],
            loads: vec![Load::Idle, Load::Busy],
            seconds: 20,
            one_tick: true,
            capture: true,
            unprivileged: true,
            far: false,
            judge: false,
            turns: 5,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(HELP).map(|value| value.split(','));
            match word.as_str() {
                "--targets" => {
                    options.targets = value()?
                        .map(str::parse)
                        .collect::<Result<_, _>>()
                        .map_err(|error| format!("--targets: {error}"))?;
                }
                "--engines" => options.subjects = all(value()?, Subject::ALL)?,
                "--load" => options.loads = all(value()?, [Load::Idle, Load::Busy])?,
                "--seconds" => {
                    options.seconds = value()?
                        .collect::<String>()
                        .parse()
                        .map_err(|error| format!("--seconds: {error}"))?;
                }
                "--turns" => {
                    options.turns = value()?
                        .collect::<String>()
                        .parse()
                        .map_err(|error| format!("--turns: {error}"))?;
                }
                "--no-one-tick" => options.one_tick = false,
                "--no-capture" => options.capture = false,
                "--far" => options.far = true,
                "--raw" => options.unprivileged = false,
                "--judge" => options.judge = true,
                // Cargo adds this to the arguments of every benchmark.
                "--bench" => {}
                _ => return Err(HELP.to_owned()),
            }
        }
        Ok(options)
    }
}

impl Options {
    /// Whether this is measured with so many targets.
    pub(crate) fn measures(&self, subject: Subject, targets: u32) -> bool {
        self.subjects.contains(&subject) && subject.carries(targets)
    }
}

/// The things that `words` name.
fn all<'a, T: fmt::Display + Copy, const N: usize>(
    words: impl Iterator<Item = &'a str>,
    known: [T; N],
) -> Result<Vec<T>, String> {
    words
        .map(|word| {
            let found = known.iter().find(|one| one.to_string() == word).copied();
            found.ok_or_else(|| format!("what is {word}?\n{HELP}"))
        })
        .collect()
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Kernel,
    Surge,
    Fping,
    Blackbox,
}

impl Subject {
    const ALL: [Self; 4] = [Self::Kernel, Self::Surge, Self::Fping, Self::Blackbox];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Surge => "surge",
            Self::Fping => "fping",
            Self::Blackbox => "blackbox",
        }
    }

    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Kernel | Self::Surge)
    }

    /// The program that it needs.
    pub(crate) const fn program(self) -> Option<&'static str> {
        match self {
            Self::Kernel | Self::Surge => None,
            Self::Fping => Some("fping"),
            Self::Blackbox => Some("prometheus-blackbox-exporter"),
        }
    }

    /// Whether so many targets are asked of it. What it cannot do is known: fping has 65,535
    /// sequence numbers, surge-ping loses replies and `blackbox_exporter` takes a core.
    pub(crate) const fn carries(self, targets: u32) -> bool {
        match self {
            Self::Kernel => true,
            Self::Surge | Self::Fping => targets <= 10_000,
            Self::Blackbox => targets <= 200,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What else the machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    Idle,
    Busy,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
        })
    }
}
