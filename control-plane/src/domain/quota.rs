//! How much a tenant may store, and whether more fits. What is on its way counts: it was promised its place.

use super::Refusal;

/// What a tenant stores now: its files, and the announced sizes of the uploads that may still be completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// In bytes; not counted, so 0, where there is no limit.
    pub used: u64,
    /// The most bytes; `None` = no limit.
    pub limit: Option<u64>,
}

impl Usage {
    /// Whether so many bytes more fit.
    ///
    /// # Errors
    /// When they do not.
    pub fn admit(self, requested: u64) -> Result<(), Refusal> {
        match self.limit {
            Some(limit) if self.used.saturating_add(requested) > limit => {
                Err(Refusal::QuotaExceeded { current: self.used, limit, requested })
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_limit_fits_and_nothing_more() {
        let bounded = Usage { used: 7, limit: Some(10) };
        let refused = |current, requested| Err(Refusal::QuotaExceeded { current, limit: 10, requested });
        assert_eq!(bounded.admit(3), Ok(()));
        assert_eq!(bounded.admit(4), refused(7, 4));
        assert_eq!(bounded.admit(u64::MAX), refused(7, u64::MAX));
        // The limit was lowered below what is there.
        let over = Usage { used: 11, ..bounded };
        assert_eq!(over.admit(0), refused(11, 0));
        assert_eq!(Usage::default().admit(u64::MAX), Ok(()));
    }
}
