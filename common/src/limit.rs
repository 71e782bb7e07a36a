//! How many requests a key may make.

use std::num::NonZeroU32;

/// Requests in any 60 seconds. `None` where one is optional means unlimited.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RequestsPerMinute(pub NonZeroU32);

impl RequestsPerMinute {
    /// `None` for zero: a key that may do nothing is a disabled key.
    #[must_use]
    pub fn new(count: u32) -> Option<Self> {
        NonZeroU32::new(count).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}
