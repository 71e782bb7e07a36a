//! Spans of time in queries: moments as RFC 3339 writes them, or whole UTC days.

use std::time::Duration;

use common::time::Timestamp;

use crate::api::fields::Fields;

const DAY: Duration = Duration::from_secs(86_400);
const FORM: &str = "must be a day like 2026-01-31, or a moment with an offset like 2026-01-31T12:00:00Z";

/// From a moment on, up to before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Dates {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

impl Dates {
    /// Reads `startDate` and `endDate`; both belong to the span, a day with all of its hours.
    pub(crate) fn read(fields: &mut Fields) -> Self {
        let since = Self::begin(fields, "startDate");
        let until = Self::end(fields, "endDate", Duration::from_millis(1));
        if since.zip(until).is_some_and(|(since, until)| until <= since) {
            fields.fault("endDate", "must not be before startDate");
        }
        Self { since, until }
    }

    /// The moment that a field names, or the beginning of the day.
    pub(crate) fn begin(fields: &mut Fields, name: &'static str) -> Option<Timestamp> {
        parse(fields, name).map(|(moment, _)| moment)
    }

    /// `beyond` the moment that a field names, or the end of the day.
    pub(crate) fn end(fields: &mut Fields, name: &'static str, beyond: Duration) -> Option<Timestamp> {
        parse(fields, name).map(|(moment, is_day)| moment.plus(if is_day { DAY } else { beyond }))
    }
}

/// The moment, and whether the text names a day.
fn parse(fields: &mut Fields, name: &'static str) -> Option<(Timestamp, bool)> {
    let text = fields.text(name).flatten()?;
    let is_day = text.len() == "2026-01-31".len();
    let parsed = if is_day { format!("{text}T00:00:00Z").parse() } else { spelled(&text).parse() };
    let moment = parsed.map_err(|_| fields.fault(name, FORM)).ok()?;
    Some((moment, is_day))
}

/// A plus that was not encoded arrives as a space.
fn spelled(text: &str) -> String {
    match text.rsplit_once(' ') {
        Some((moment, offset)) if moment.contains(['T', 't']) => format!("{moment}+{offset}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: Result<(Option<&str>, Option<&str>), &str>) {
        let mut fields = Fields::of_query(Some(query));
        let dates = Dates::read(&mut fields);
        let told = |moment: Option<Timestamp>| moment.map(|moment| moment.to_string());
        let read = fields.settle(Ok((told(dates.since), told(dates.until)))).map_err(|e| e.to_string());
        let expected = expected.map(|(a, b)| (a.map(str::to_owned), b.map(str::to_owned)));
        assert_eq!(read, expected.map_err(str::to_owned), "{query}");
    }

    #[test]
    fn days_are_whole_and_moments_exact() {
        check("", Ok((None, None)));
        check(
            "startDate=2025-02-28&endDate=2025-02-28",
            Ok((Some("2025-02-28T00:00:00.000Z"), Some("2025-03-01T00:00:00.000Z"))),
        );
        check(
            "startDate=2025-01-15T12:00:00+02:00&endDate=2025-01-15T10:00:00Z",
            Ok((Some("2025-01-15T10:00:00.000Z"), Some("2025-01-15T10:00:00.001Z"))),
        );
        check("endDate=9999-12-31", Ok((None, Some("9999-12-31T23:59:59.999Z"))));
    }

    #[test]
    fn what_is_no_time_is_told_with_the_form() {
        for text in
            ["2025-02-30", "yesterday", "2025-01-15T10:00:00", "20250115", "2025-01-15 10:00", "1736935200"]
        {
            check(&format!("startDate={text}"), Err(&format!("startDate: {FORM}")));
        }
        check("startDate=2025-01-02&endDate=2025-01-01", Err("endDate: must not be before startDate"));
    }
}
