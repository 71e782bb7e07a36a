//! Numbers of several rounds as one.

/// The middle one; of an even count, the mean of the two in the middle. Nothing of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[test]
fn the_middle_counts() {
    let check = |values: &[f64], expected| assert_eq!(median(values), expected, "{values:?}");
    check(&[], None);
    check(&[3.0], Some(3.0));
    check(&[9.0, 1.0, 2.0], Some(2.0));
    check(&[4.0, 1.0, 2.0, 100.0], Some(3.0));
}
