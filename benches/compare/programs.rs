//! The servers as processes: pinned to a core, their log in a file, gone with this tool whatever ends it.

use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Failure;

/// How long a server may take until it answers: in a debug build too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server may take to end before it is made to.
const GRACE: Duration = Duration::from_secs(2);

/// What is being done, and what went wrong.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "compare: {text}");
}

/// A process that ends with this value.
pub(crate) struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it on a core. It is told to end when the thread that started it dies, which not even SIGKILL prevents.
    pub(crate) fn start(command: &Command, core: usize, log: &Path) -> Result<Self, Failure> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut pinned = pinned(core);
        pinned
            .args(["setpriv", "--pdeathsig", "TERM", "--"])
            .arg(command.get_program())
            .args(command.get_args());
        for (variable, value) in command.get_envs() {
            if let Some(value) = value {
                pinned.env(variable, value);
            }
        }
        let output = File::options().create(true).append(true).open(log)?;
        pinned.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = pinned.spawn().map_err(|fault| format!("cannot start {name}: {fault}"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until somebody listens there.
    pub(crate) async fn listening(&mut self, address: SocketAddr) -> Result<(), Failure> {
        self.until(async || TcpStream::connect(address).is_ok()).await
    }

    /// Waits until `is_ready` says so.
    pub(crate) async fn until(&mut self, is_ready: impl AsyncFn() -> bool) -> Result<(), Failure> {
        let began = Instant::now();
        while !is_ready().await {
            let ended = self.child.try_wait()?;
            if ended.is_some() || began.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                return Err(format!("{} does not get ready ({ended:?}); its log:\n{log}", self.name).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        // nginx ends its workers only when it is asked to end, so asking comes first.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or("no process id")?, Signal::TERM)?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() && began.elapsed() < GRACE {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        // The worst is that the kernel does it when this tool ends.
        let _ = self.end();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The beginning of a command line that runs on that core alone.
pub(crate) fn pinned(core: usize) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.to_string()]);
    command
}

/// A loopback address that nobody listens on: it was the system's choice a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// An executable in the path.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    // Debian keeps servers where only root looks.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    directories.map(|directory| directory.join(name)).find(|path| path.is_file())
}
