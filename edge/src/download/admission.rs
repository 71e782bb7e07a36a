//! Admission where other edges have a say: most requests find a share of their key's minute here, and the others wait a
//! moment for one.

use std::time::Instant;

use crate::app::Edge;
use crate::gate::{Admitted, Wanting};
use crate::request::Ask;
use crate::shares::PATIENCE;

impl Edge {
    /// Admits a key; the other edges are asked first where this one has no share of its minute.
    pub(super) async fn admit(&self, ask: &Ask) -> Admitted {
        match self.gate.try_admit(ask) {
            Ok(admitted) => admitted,
            // The rare way has memory of its own.
            Err(wanting) => Box::pin(self.admit_when_told(ask, wanting)).await,
        }
    }

    async fn admit_when_told(&self, ask: &Ask, Wanting(key): Wanting) -> Admitted {
        let (until, mut was_told) = (Instant::now() + PATIENCE, false);
        // Others may take what came, so that more than one answer is needed.
        while self.wishes.wait(&key, until.saturating_duration_since(Instant::now())).await {
            was_told = true;
            if let Ok(admitted) = self.gate.try_admit(ask) {
                return admitted;
            }
        }
        if let (false, Some(fleet)) = (was_told, self.gate.budgets().fleet()) {
            fleet.note_late();
        }
        self.gate.admit(ask)
    }
}
