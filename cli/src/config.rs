//! What `tidegate dev` takes from the environment: the settings that make sense for a system in one process.

use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) use common::runtime::settings::Mistakes;
use common::runtime::settings::{Settings, parse_listen};

/// Everything but where it listens.
pub(crate) struct Config {
    /// The control plane's part.
    pub(crate) desk: control_plane::config::Config,
    /// Where the operator looks at the edge.
    pub(crate) admin_listen: Option<SocketAddr>,
}

impl Config {
    /// Reads the environment for a system that keeps everything below `data`.
    pub(crate) fn load(data: PathBuf) -> Result<Self, Mistakes> {
        let mut settings = Settings::load(None);
        // Reached through the edge alone, so the system chooses the port.
        let hidden = SocketAddr::from(([127, 0, 0, 1], 0));
        let desk = control_plane::config::Config::embedded(data, hidden, &mut settings);
        let admin_listen = settings.optional("admin_listen", parse_listen);
        settings.finish()?;
        Ok(Self { desk, admin_listen })
    }
}
