//! The one poll with a deadline: tests wait for what they can see, never for a length of time.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Long enough for a loaded machine, short enough for a person.
pub const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks again until the answer is `Ok`. At the deadline it panics with the last `Err`.
pub async fn eventually<T, E: Debug, F: Future<Output = Result<T, E>>>(
    within: Duration,
    mut ask: impl FnMut() -> F,
) -> T {
    let began = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(told) if began.elapsed() > within => panic!("not within {within:?}: {told:?}"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Takes a sample again and again while `work` goes on, and once more at its end.
pub async fn sampling<T>(work: impl Future<Output = T>, mut sample: impl FnMut()) -> T {
    let mut every = tokio::time::interval(PAUSE);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = work.as_mut() => {
                sample();
                return done;
            }
            _ = every.tick() => sample(),
        }
    }
}
