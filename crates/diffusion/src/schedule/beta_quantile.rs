//! Quantiles of the beta distribution.

/// The `p` quantile of Beta(a, b): the `x` with `I_x(a, b) = p`. Within 1e-12 of SciPy's `beta.ppf`.
pub(super) fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    if p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    if p > 0.5 {
        // Floating-point numbers are spaced more finely near 0 than near 1.
        return 1.0 - lower_quantile(1.0 - p, b, a);
    }
    lower_quantile(p, a, b)
}

/// Newton's method, kept within a bracket. Starts from the leading term of the density; takes about six evaluations.
fn lower_quantile(p: f64, a: f64, b: f64) -> f64 {
    let ln_beta = ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
    let density = |x: f64| ((a - 1.0) * x.ln() + (b - 1.0) * (-x).ln_1p() - ln_beta).exp();
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    let mut x = (((p * a).ln() + ln_beta) / a).exp().clamp(f64::MIN_POSITIVE, 0.999);
    for _ in 0..100 {
        let excess = regularised_incomplete_beta(x, a, b) - p;
        if excess < 0.0 {
            low = x;
        } else {
            high = x;
        }
        let newton = x - excess / density(x);
        let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
        if (next - x).abs() <= 1e-15 * x {
            return next;
        }
        x = next;
    }
    x
}

/// `I_x(a, b)` by its continued fraction (Abramowitz and Stegun 26.5.8), evaluated with Lentz's method.
fn regularised_incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        // The fraction converges quickly only for smaller x, so use the symmetry.
        return 1.0 - regularised_incomplete_beta(1.0 - x, b, a);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    front * continued_fraction(x, a, b) / a
}

fn continued_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for m in (1..=300).map(f64::from) {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            change = c * d;
            value *= change;
        }
        if (change - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

/// Logarithm of the gamma function for positive arguments (Lanczos, g = 7, nine terms: error about 1e-15).
fn ln_gamma(x: f64) -> f64 {
    const G: f64 = 7.0;
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // Reflection formula; the series is valid from one half on.
        let pi = std::f64::consts::PI;
        return (pi / (pi * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let series: f64 = FIRST + TERMS.iter().zip(1_u8..).map(|(term, i)| term / (x + f64::from(i))).sum::<f64>();
    let t = x + G + 0.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + series.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct File {
        quantiles: Quantiles,
    }

    #[derive(Deserialize)]
    struct Quantiles {
        p: Vec<f64>,
        x: Vec<f64>,
        x_skewed: Vec<f64>,
    }

    #[test]
    fn quantiles_are_scipys() {
        let File { quantiles: Quantiles { p, x, x_skewed } } =
            serde_json::from_str(include_str!("../../tests/reference/schedules.json")).expect("the reference reads");
        for (a, b, expected) in [(0.6, 0.6, x), (2.5, 0.8, x_skewed)] {
            for (&p, expected) in p.iter().zip(expected) {
                let ours = beta_quantile(p, a, b);
                assert!((ours - expected).abs() <= 1e-12, "p = {p}: {ours}, not {expected}");
                assert!(p > 0.5 || (ours / expected - 1.0).abs() <= 1e-11, "p = {p}: {ours}, not {expected}");
            }
        }
    }

    #[test]
    fn the_uniform_and_the_arcsine_law_have_closed_forms() {
        for p in [1e-6, 0.01, 0.3, 0.5, 0.77, 0.999] {
            assert!((beta_quantile(p, 1.0, 1.0) - p).abs() < 1e-13);
            let arcsine = (std::f64::consts::FRAC_PI_2 * p).sin().powi(2);
            assert!((beta_quantile(p, 0.5, 0.5) - arcsine).abs() < 1e-12);
        }
    }
}
