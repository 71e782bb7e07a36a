//! Which digests may exist, in memory: a Bloom filter, so that a flood of random keys never reaches the disk.

use arc_swap::ArcSwap;
use common::digest::Digest;
use fastbloom::AtomicBloomFilter;

use super::ReplicaFault;
use super::file::File;

/// One unknown digest in a hundred is looked up in vain: 10 bits a key.
const FALSE_POSITIVES: f64 = 0.01;
/// Room for growth before the filter fills up and lets more pass; it is sized anew at every rebuild and start.
const SPARE: usize = 100_000;

pub(super) struct Filter(ArcSwap<AtomicBloomFilter>);

impl Filter {
    pub(super) fn of(file: &File) -> Result<Self, ReplicaFault> {
        Ok(Self(ArcSwap::from_pointee(Self::built(file)?)))
    }

    /// Sizes and fills it anew, after the file was replaced.
    pub(super) fn rebuild(&self, file: &File) -> Result<(), ReplicaFault> {
        self.0.store(Self::built(file)?.into());
        Ok(())
    }

    fn built(file: &File) -> Result<AtomicBloomFilter, ReplicaFault> {
        let room = usize::try_from(file.digest_count()?)
            .unwrap_or(usize::MAX)
            .saturating_mul(2)
            .saturating_add(SPARE);
        let filter = AtomicBloomFilter::with_false_pos(FALSE_POSITIVES).expected_items(room);
        file.each_digest(|digest| {
            filter.insert(digest);
        })?;
        Ok(filter)
    }

    pub(super) fn add(&self, digest: &Digest) {
        self.0.load().insert(&digest.0);
    }

    pub(super) fn may_hold(&self, digest: &Digest) -> bool {
        self.0.load().contains(&digest.0)
    }
}
