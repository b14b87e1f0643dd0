//! What a train says of the path it took.

use std::time::Duration;

use super::measured::Burst;
use crate::config::QualitySettings;
use crate::model::{Found, QualityGrade, TrainFigures, Verdict, micros};
use crate::quality::Jitter;

/// Fewest lost packets that count as loss: one in a short train is no share of anything.
const FEWEST_LOST: u32 = 3;

/// The figures of a train; none when nothing was sent.
pub(super) fn figures(bursts: &[Burst]) -> Option<TrainFigures> {
    let sent: u32 = bursts.iter().map(|burst| burst.sent).sum();
    if sent == 0 {
        return None;
    }
    let mut jitter = Jitter::default();
    let mut rtts: Vec<Duration> = Vec::new();
    for rtt in bursts.iter().flat_map(|burst| &burst.rtts) {
        jitter.record(*rtt);
        rtts.push(*rtt);
    }
    rtts.sort_unstable();
    let median = rtts.get(rtts.len().saturating_sub(1) / 2);
    let answered = u32::try_from(rtts.len()).unwrap_or(u32::MAX);
    Some(TrainFigures {
        sent,
        lost: sent.saturating_sub(answered),
        rtt_us: median.map(|rtt| micros(*rtt)),
        jitter_us: median.map(|_| micros(jitter.get())),
    })
}

/// What is wrong with a path, by its train.
///
/// 1. Stretches in which nothing came back, between others in which it did, are a line that comes
///    and goes. It weighs by what it loses, at least as much as a fair path.
/// 2. Otherwise loss weighs by its share, from three lost packets on.
/// 3. The median round trip and the jitter weigh by the limits of the settings.
/// 4. Poor is not ready, fair is at risk.
/// 5. A train of which nothing came back says nothing: the device is silent, which shows elsewhere.
pub(super) fn findings(bursts: &[Burst], limits: &QualitySettings) -> Vec<(Verdict, Found)> {
    let Some(figures) = figures(bursts) else { return Vec::new() };
    let (Some(rtt_us), Some(jitter_us)) = (figures.rtt_us, figures.jitter_us) else {
        return Vec::new();
    };
    let TrainFigures { sent, lost, .. } = figures;
    let share = f64::from(lost) / f64::from(sent);
    let loss = grade(share, limits.fair_loss, limits.poor_loss);
    let asked: Vec<&Burst> = bursts.iter().filter(|burst| burst.sent > 0).collect();
    let silent = asked.iter().filter(|burst| burst.rtts.is_empty()).count();
    let mut found = Vec::new();
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    if silent > 0 {
        let weight = verdict(loss.max(QualityGrade::Fair));
        found.push((weight, Found::Unsteady { silent: count(silent), of: count(asked.len()) }));
    } else if loss > QualityGrade::Good && lost >= FEWEST_LOST {
        found.push((verdict(loss), Found::Loss { lost, sent }));
    }
    let seconds = |us: u32| Duration::from_micros(u64::from(us)).as_secs_f64();
    let by_delay =
        grade(seconds(rtt_us), limits.fair_rtt.as_secs_f64(), limits.poor_rtt.as_secs_f64());
    if by_delay > QualityGrade::Good {
        found.push((verdict(by_delay), Found::Delay { rtt_us }));
    }
    let (fair, poor) = (limits.fair_jitter.as_secs_f64(), limits.poor_jitter.as_secs_f64());
    let by_jitter = grade(seconds(jitter_us), fair, poor);
    if by_jitter > QualityGrade::Good {
        found.push((verdict(by_jitter), Found::Jitter { jitter_us }));
    }
    found
}

fn grade(figure: f64, fair: f64, poor: f64) -> QualityGrade {
    if figure >= poor {
        QualityGrade::Poor
    } else if figure >= fair {
        QualityGrade::Fair
    } else {
        QualityGrade::Good
    }
}

const fn verdict(grade: QualityGrade) -> Verdict {
    match grade {
        QualityGrade::Good => Verdict::Ready,
        QualityGrade::Fair => Verdict::AtRisk,
        QualityGrade::Poor => Verdict::NotReady,
    }
}
