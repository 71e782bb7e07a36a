//! Our programs as processes: with an environment of their own and nothing else, their log in a file, ended with their
//! test.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::thread::{CpuSet, Pid, sched_setaffinity};

use crate::client::Client;
use crate::eventually::{PATIENCE, eventually};

/// How to start a program, as often as one likes.
#[derive(Clone, Debug)]
pub struct Launch {
    name: &'static str,
    environment: BTreeMap<String, String>,
    arguments: Vec<String>,
    descriptors: Option<u32>,
}

impl Launch {
    /// `tidegate-control-plane`, `tidegate-edge` or `tidegate`.
    #[must_use]
    pub fn of(name: &'static str) -> Self {
        Self { name, environment: BTreeMap::new(), arguments: Vec::new(), descriptors: None }
    }

    /// One variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// What a variable of its environment is.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        &self.environment[name]
    }

    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Begins with so few descriptors, of which it may take more.
    #[must_use]
    pub fn descriptors(mut self, few: u32) -> Self {
        self.descriptors = Some(few);
        self
    }

    fn command(&self) -> Command {
        let program = executable(self.name);
        let mut command = match self.descriptors {
            None => Command::new(program),
            Some(few) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!("ulimit -Sn {few}; exec \"$0\" \"$@\"")).arg(program);
                shell
            }
        };
        command.args(&self.arguments).env_clear().envs(&self.environment).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs it to its end.
    #[must_use]
    pub fn output(&self) -> Output {
        self.command().output().unwrap()
    }

    /// Starts it; its log goes on in `directory`.
    #[must_use]
    pub fn start(&self, directory: &Path) -> Program {
        let log = directory.join(format!("{}.log", self.name));
        let mut program = Program { launch: self.clone(), child: None, log };
        program.start();
        program
    }
}

/// Beside this test's own directory of executables, as cargo lays them.
fn executable(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.is_file(), "{} is missing: run `cargo xtask test`, which builds it", path.display());
    path
}

/// A process of ours.
pub struct Program {
    launch: Launch,
    child: Option<Child>,
    log: PathBuf,
}

/// What a process holds in memory that is its own, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Anonymous pages now: what it allocated, without the files that the system keeps for it.
    pub anonymous: u64,
    /// The most that it ever held, files included.
    pub high_water: u64,
}

impl Program {
    /// Starts it again, with the same settings.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.launch.name);
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let spawned = self.launch.command().stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.child = Some(spawned.unwrap());
    }

    /// Waits until its private listener calls it ready.
    pub async fn ready(&self, private: &str) {
        let client = Client::new(private, None);
        eventually(PATIENCE, || async {
            let answer = client.try_get("/readyz").await;
            answer.and_then(|answer| answer.is(200).map_err(|told| format!("{told:?}\n{}", self.log())))
        })
        .await;
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(libc::SIGINT);
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    /// Tells it that its files have changed.
    pub fn hang_up(&self) {
        self.signal(libc::SIGHUP);
    }

    /// Stops it in its tracks, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        self.signal(if frozen { libc::SIGSTOP } else { libc::SIGCONT });
    }

    fn signal(&self, signal: libc::c_int) {
        send_signal(self.pid(), signal);
    }

    /// As a crash would end it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// How it ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let child = std::cell::RefCell::new(&mut child);
        let status =
            eventually(PATIENCE, || async { child.borrow_mut().try_wait().unwrap().ok_or("it runs") });
        status.await
    }

    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Everything that it has printed and logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its threads that live, by name, and how many bytes each made the disk read.
    #[must_use]
    pub fn disk_reads(&self) -> Vec<(String, u64)> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let of = |thread: PathBuf| {
            let told = read(thread.join("io"));
            let bytes = told.lines().find_map(|line| line.strip_prefix("read_bytes: ")?.parse().ok());
            (read(thread.join("comm")).trim().to_owned(), bytes.unwrap_or_default())
        };
        threads.map(|thread| of(thread.unwrap().path())).collect()
    }

    /// Lets all its threads, also those that it starts later, run on that core alone.
    pub fn pin(&self, core: usize) {
        let mut cores = CpuSet::new();
        cores.set(core);
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap() {
            let id = thread.unwrap().file_name().to_str().and_then(|id| Pid::from_raw(id.parse().ok()?));
            sched_setaffinity(id, &cores).unwrap();
        }
    }

    #[must_use]
    pub fn memory(&self) -> Memory {
        memory_of(self.pid())
    }
}

fn memory_of(pid: u32) -> Memory {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    };
    Memory { anonymous: field("RssAnon"), high_water: field("VmHWM") }
}

/// Sends a signal to a child that was not waited for.
#[expect(unsafe_code, reason = "std sends no other signal than SIGKILL")]
pub(crate) fn send_signal(pid: u32, signal: libc::c_int) {
    let pid = i32::try_from(pid).unwrap();
    // SAFETY: kill touches no memory, and a child that was not waited for keeps its id.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
