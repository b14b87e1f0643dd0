//! What delay and loss do to a conversation: the E-model of ITU-T G.107, reduced to what a
//! monitor can measure.
//!
//! It rates voice. Video has no such formula; for it, loss and jitter themselves are shown.

/// Rating of a conversation that nothing impairs, with every default of G.107 (Table 2).
const UNIMPAIRED: f64 = 93.2;

/// How a codec's audio bears loss (ITU-T G.113 Appendix I).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CodecLoss {
    /// Equipment impairment factor Ie: what the codec costs without any loss.
    pub ie: f64,
    /// Packet-loss robustness factor Bpl, greater than 0: the higher, the better it bears loss.
    pub bpl: f64,
}

/// G.711 with packet-loss concealment (ITU-T G.113 Appendix I).
pub const G711_PLC: CodecLoss = CodecLoss { ie: 0.0, bpl: 25.1 };

/// The delay impairment Id for a one-way delay in milliseconds, from mouth to ear.
///
/// It is Cole and Rosenbluth's approximation, within 0.9 of the full G.107 up to 300 ms and 3
/// points harsher at 400 ms.
#[must_use]
pub fn delay_impairment(one_way_ms: f64) -> f64 {
    let d = one_way_ms.max(0.0);
    0.024 * d + 0.11 * (d - 177.3).max(0.0)
}

/// The effective equipment impairment Ie,eff for a loss of 0 to 1 (G.107 equation 7-29).
///
/// `burst_ratio` is 1 for random loss and grows with burstiness.
#[must_use]
pub fn loss_impairment(loss: f64, burst_ratio: f64, codec: CodecLoss) -> f64 {
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    codec.ie + (95.0 - codec.ie) * percent / (percent / burst_ratio.max(1.0) + codec.bpl)
}

/// The transmission rating R, 0 to 93.2, for a one-way delay in milliseconds and a random loss of
/// 0 to 1.
#[must_use]
pub fn rating(one_way_ms: f64, loss: f64, codec: CodecLoss) -> f64 {
    let r = UNIMPAIRED - delay_impairment(one_way_ms) - loss_impairment(loss, 1.0, codec);
    r.clamp(0.0, UNIMPAIRED)
}

/// The mean opinion score that goes with a rating, 1 to 4.5 (G.107 Annex B).
///
/// The cubic dips just below 1 near R = 6; the score does not.
#[must_use]
pub fn mos(r: f64) -> f64 {
    if r <= 0.0 {
        1.0
    } else if r >= 100.0 {
        4.5
    } else {
        (1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64, within: f64) {
        assert!((got - expected).abs() <= within, "{got} instead of {expected}");
    }

    #[test]
    fn ratings_agree_with_the_table() {
        // One-way delay in ms, loss in percent, Ie, Bpl, Id, Ie,eff, R, MOS.
        let table = [
            [0.0, 0.0, 0.0, 25.1, 0.0, 0.0, 93.2, 4.4093],
            [100.0, 0.0, 0.0, 25.1, 2.4, 0.0, 90.8, 4.3581],
            [150.0, 0.0, 0.0, 25.1, 3.6, 0.0, 89.6, 4.3291],
            [177.3, 0.0, 0.0, 25.1, 4.2552, 0.0, 88.9448, 4.3123],
            [200.0, 0.0, 0.0, 25.1, 7.297, 0.0, 85.903, 4.2262],
            [400.0, 0.0, 0.0, 25.1, 34.097, 0.0, 59.103, 3.0534],
            [100.0, 1.0, 0.0, 25.1, 2.4, 3.6398, 87.1602, 4.2634],
            [100.0, 5.0, 0.0, 25.1, 2.4, 15.7807, 75.0193, 3.8227],
            [150.0, 1.0, 0.0, 4.3, 3.6, 17.9245, 71.6755, 3.6746],
            [150.0, 2.0, 0.0, 10.0, 3.6, 15.8333, 73.7667, 3.7683],
            [150.0, 2.0, 0.0, 20.0, 3.6, 8.6364, 80.9636, 4.0599],
            [100.0, 100.0, 0.0, 25.1, 2.4, 75.9392, 14.8608, 1.1203],
        ];
        for [d, percent, ie, bpl, id, ie_eff, r, score] in table {
            let codec = CodecLoss { ie, bpl };
            close(delay_impairment(d), id, 1e-4);
            close(loss_impairment(percent / 100.0, 1.0, codec), ie_eff, 1e-4);
            close(rating(d, percent / 100.0, codec), r, 1e-3);
            close(mos(r), score, 1e-4);
        }
    }

    #[test]
    fn bursts_cost_more_than_random_loss() {
        close(loss_impairment(0.02, 2.0, G711_PLC), 7.2797, 1e-4);
        assert!(loss_impairment(0.02, 1.0, G711_PLC) < loss_impairment(0.02, 2.0, G711_PLC));
    }

    #[test]
    fn scores_agree_with_annex_b_and_never_leave_their_range() {
        for (r, score) in [(93.2, 4.4093), (90.0, 4.339), (80.0, 4.024), (70.0, 3.597)] {
            close(mos(r), score, 1e-3);
        }
        for tenth in -100..1200 {
            let score = mos(f64::from(tenth) / 10.0);
            assert!((1.0..=4.5).contains(&score));
        }
    }
}
