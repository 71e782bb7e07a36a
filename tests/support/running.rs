//! A download that runs at a pace, and how it ends for the client.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use tokio::task::JoinHandle;

use crate::client::Client;

/// How often bytes are taken.
const TICK: Duration = Duration::from_millis(64);

/// How it ended.
#[derive(Debug)]
pub enum End {
    /// In order, with all that was announced.
    Whole,
    /// By a reset: of the connection, or of its stream.
    Reset,
    /// In another way, like an orderly end before the last byte.
    Otherwise(String),
}

/// A download that was begun.
pub struct Download {
    answer: Response,
    pub taken: Vec<u8>,
}

/// One that ended.
#[derive(Debug)]
pub struct Ended {
    pub end: End,
    pub at: Instant,
    pub taken: Vec<u8>,
}

impl Download {
    /// Asks for it, over a connection of its own when the client has none, and reads so many bytes.
    pub async fn begin(client: &Client, target: &str, range: Option<&str>, bytes: usize) -> Self {
        let mut request = client.request(Method::GET, target);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        let mut download = Self { answer, taken: Vec::new() };
        while download.taken.len() < bytes {
            let end = download.step().await;
            assert!(end.is_none(), "{end:?} after {} bytes", download.taken.len());
        }
        download
    }

    async fn step(&mut self) -> Option<End> {
        match self.answer.chunk().await {
            Ok(Some(bytes)) => {
                self.taken.extend_from_slice(&bytes);
                None
            }
            Ok(None) => Some(End::Whole),
            Err(error) => {
                let told = format!("{error:?}");
                let is_reset = told.contains("ConnectionReset") || told.contains("Reset(StreamId");
                Some(if is_reset { End::Reset } else { End::Otherwise(told) })
            }
        }
    }

    /// Takes the rest as fast as it comes.
    pub async fn finish(mut self) -> Ended {
        loop {
            if let Some(end) = self.step().await {
                return Ended { end, at: Instant::now(), taken: self.taken };
            }
        }
    }

    /// Goes on at so many KiB/s, beside whatever else is done.
    #[must_use]
    pub fn go_on(mut self, pace: usize) -> JoinHandle<Ended> {
        tokio::spawn(async move {
            let (began, before) = (Instant::now(), self.taken.len());
            let mut every = tokio::time::interval(TICK);
            loop {
                every.tick().await;
                // A piece may be larger than what is due: then nothing is, for a while.
                let due = before as u128 + began.elapsed().as_millis() * (pace << 10) as u128 / 1_000;
                while (self.taken.len() as u128) < due {
                    if let Some(end) = self.step().await {
                        return Ended { end, at: Instant::now(), taken: self.taken };
                    }
                }
            }
        })
    }
}
