//! Everything that runs while something is measured: Redis, the control plane, two edges (clear text and TLS), nginx and
//! the floor. The servers that are measured share one core, everything else another.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Failure;
use crate::arguments::Arguments;
use crate::desk::{Desk, client};
use crate::files::{self, Sample};
use crate::machine::Cores;
use crate::nginx::Nginx;
use crate::programs::{PATIENCE, Program, find, free_address, say};
use crate::rows::SMALL;
use crate::targets;

const CUSTOMER: &str = "customer";
/// The application whose files are downloaded.
pub(crate) const APPLICATION: &str = "files";
/// The application whose versions are listed and checked for updates.
pub(crate) const LISTED: &str = "listed";
/// How many versions it has.
const VERSIONS: u32 = 20;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// The sizes that the bar names.
const SIZES: [u64; 4] = [KIB, 64 * KIB, MIB, 256 * MIB];

/// An edge that serves.
pub(crate) struct Edge {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

/// The running servers. Dropped, they are gone; their directory goes last.
pub(crate) struct Stage {
    pub(crate) clear: Edge,
    pub(crate) tls: Edge,
    pub(crate) nginx: Nginx,
    pub(crate) floor: Program,
    pub(crate) floor_address: SocketAddr,
    pub(crate) key: String,
    pub(crate) cores: Cores,
    /// Where peers look for files by name.
    pub(crate) files: PathBuf,
    /// Where configurations and logs lie.
    pub(crate) directory: PathBuf,
    _background: Vec<Program>,
    _temporary: Option<TempDir>,
}

impl Stage {
    /// Starts everything and fills it.
    pub(crate) async fn set(arguments: &Arguments) -> Result<Self, Failure> {
        let programs = programs(arguments)?;
        require(&programs)?;
        let temporary = if arguments.out.is_some() { None } else { Some(tempfile::tempdir()?) };
        let directory = match (&arguments.out, &temporary) {
            (Some(out), _) => prepared(out)?,
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => return Err("nowhere to put anything".into()),
        };
        let www = directory.join("files");
        let samples = files::write(&www, &SIZES)?;
        certify(&directory)?;
        let cores = Cores::choose()?;
        let house = House { programs, directory, cores };
        let bus = free_address()?;
        let redis = house.redis(bus).await?;
        let (control_plane, desk, address) = house.control_plane(bus).await?;
        let key = fill(&desk, &samples, arguments.keys()).await?;
        let (clear, tls) = (house.edge(bus, address, false).await?, house.edge(bus, address, true).await?);
        let nginx = Nginx::start(&house.directory, &www, &key, cores.server).await?;
        let (floor, floor_address) = house.floor(&www).await?;
        let (files, directory) = (www, house.directory);
        let _background = vec![control_plane, redis];
        let stage = Self {
            clear,
            tls,
            nginx,
            floor,
            floor_address,
            key,
            cores,
            files,
            directory,
            _background,
            _temporary: temporary,
        };
        stage.known().await?;
        Ok(stage)
    }

    /// Waits until both edges have heard of the key, which was made last: so they know all the others too.
    async fn known(&self) -> Result<(), Failure> {
        let began = Instant::now();
        for target in [targets::ours(self, SMALL), targets::ours_tls(self, SMALL)] {
            while target.ask().await?.status != 200 {
                if began.elapsed() > PATIENCE {
                    return Err(format!("{} does not hear of the key", target.url).into());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }
}

/// What a run needs to start servers.
struct House {
    programs: PathBuf,
    directory: PathBuf,
    cores: Cores,
}

impl House {
    async fn redis(&self, address: SocketAddr) -> Result<Program, Failure> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--port", &address.port().to_string()]).arg("--dir").arg(&self.directory);
        let mut redis = Program::start(&command, self.cores.load, &self.directory.join("redis.log"))?;
        redis.listening(address).await?;
        Ok(redis)
    }

    async fn control_plane(&self, bus: SocketAddr) -> Result<(Program, Desk, SocketAddr), Failure> {
        let (address, private) = (free_address()?, free_address()?);
        let data = self.directory.join("desk");
        let mut command = Command::new(self.programs.join("tidegate-control-plane"));
        command.env("TIDEGATE_LISTEN", address.to_string()).env("TIDEGATE_ADMIN_LISTEN", private.to_string());
        command.env("TIDEGATE_BUS", format!("redis://{bus}")).env("TIDEGATE_DATA", &data);
        command.env("TIDEGATE_BLOBS", self.blobs());
        let mut program = Program::start(&command, self.cores.load, &self.directory.join("desk.log"))?;
        ready(&mut program, private).await?;
        let admin_key = std::fs::read_to_string(data.join("admin.key"))?;
        Ok((program, Desk::new(address, admin_key.trim().to_owned())?, address))
    }

    async fn edge(&self, bus: SocketAddr, desk: SocketAddr, tls: bool) -> Result<Edge, Failure> {
        let (address, private) = (free_address()?, free_address()?);
        let name = if tls { "edge-tls" } else { "edge" };
        let mut command = Command::new(self.programs.join("tidegate-edge"));
        command.env("TIDEGATE_LISTEN", address.to_string()).env("TIDEGATE_ADMIN_LISTEN", private.to_string());
        command.env("TIDEGATE_BUS", format!("redis://{bus}"));
        command.env("TIDEGATE_CONTROL_PLANE", format!("http://{desk}"));
        command.env("TIDEGATE_EDGE_SECRET_FILE", self.directory.join("desk/keys/edge.secret"));
        command.env("TIDEGATE_SNAPSHOT_KEY", self.snapshot_key()?);
        command.env("TIDEGATE_BLOBS", self.blobs()).env("TIDEGATE_CACHE", self.directory.join(name));
        command.env("TIDEGATE_WORKERS", "1").env("TIDEGATE_DRAIN_SECONDS", "0");
        if tls {
            command.env("TIDEGATE_TLS_CERT", self.directory.join("cert.pem"));
            command.env("TIDEGATE_TLS_KEY", self.directory.join("key.pem"));
        }
        let mut program =
            Program::start(&command, self.cores.server, &self.directory.join(format!("{name}.log")))?;
        ready(&mut program, private).await?;
        Ok(Edge { program, address })
    }

    async fn floor(&self, files: &Path) -> Result<(Program, SocketAddr), Failure> {
        let address = free_address()?;
        let mut command = Command::new(beside("floor")?);
        command.arg(address.to_string()).arg(files);
        let mut program = Program::start(&command, self.cores.server, &self.directory.join("floor.log"))?;
        program.listening(address).await?;
        Ok((program, address))
    }

    fn blobs(&self) -> String {
        format!("file://{}", self.directory.join("blobs").display())
    }

    fn snapshot_key(&self) -> Result<String, Failure> {
        let mut command = Command::new(self.programs.join("tidegate-control-plane"));
        command.args(["keys", "public"]).env("TIDEGATE_DATA", self.directory.join("desk"));
        let output = command.env("TIDEGATE_BUS", "redis://127.0.0.1:1").output()?;
        let printed = String::from_utf8(output.stdout)?.trim().to_owned();
        if printed.is_empty() {
            return Err(format!("no public key: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(printed)
    }
}

/// Customers, applications, files and keys. Gives the text of the one key that is used.
async fn fill(desk: &Desk, samples: &[Sample], keys: u32) -> Result<String, Failure> {
    desk.create_customer(CUSTOMER).await?;
    desk.offer(APPLICATION, CUSTOMER).await?;
    desk.offer(LISTED, CUSTOMER).await?;
    for sample in samples {
        desk.upload(APPLICATION, "1.0.0", sample).await?;
    }
    for number in 0..VERSIONS {
        desk.upload(LISTED, &format!("1.{number}.0"), &samples[0]).await?;
    }
    let began = Instant::now();
    desk.create_keys(CUSTOMER, keys).await?;
    say(&format!("{keys} keys made in {:.1} s", began.elapsed().as_secs_f64()));
    desk.create_key(CUSTOMER).await
}

async fn ready(program: &mut Program, private: SocketAddr) -> Result<(), Failure> {
    let (http, url) = (client()?, format!("http://{private}/readyz"));
    let asked = async || http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
    program.until(asked).await
}

/// The same certificate for everybody: ECDSA P-256, which is quicker to sign with than RSA.
fn certify(directory: &Path) -> Result<(), Failure> {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    command.args(["-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]);
    let made = command.args(["-keyout", "key.pem", "-out", "cert.pem"]).current_dir(directory).output()?;
    match made.status.success() {
        true => Ok(()),
        false => Err(format!("openssl: {}", String::from_utf8_lossy(&made.stderr)).into()),
    }
}

/// A directory of the caller's, empty of what a former run has left.
fn prepared(out: &Path) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(out)?;
    for remains in ["desk", "edge", "edge-tls", "blobs", "files"] {
        let remains = out.join(remains);
        if remains.exists() {
            std::fs::remove_dir_all(remains)?;
        }
    }
    Ok(out.canonicalize()?)
}

fn programs(arguments: &Arguments) -> Result<PathBuf, Failure> {
    match &arguments.programs {
        Some(directory) => Ok(directory.canonicalize()?),
        None => Ok(beside("")?),
    }
}

fn beside(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    Ok(own.parent().ok_or("this executable lies nowhere")?.join(name))
}

/// Says everything that is missing at once, and what brings it.
fn require(programs: &Path) -> Result<(), Failure> {
    let tools = [
        ("nginx", "nginx"),
        ("wrk", "wrk"),
        ("redis-server", "redis-server"),
        ("openssl", "openssl"),
        ("taskset", "util-linux"),
        ("setpriv", "util-linux"),
    ];
    let mut packages: Vec<&str> =
        tools.iter().filter(|(tool, _)| find(tool).is_none()).map(|(_, package)| *package).collect();
    if !Path::new("/usr/lib/nginx/modules/ngx_http_lua_module.so").exists() {
        packages.push("libnginx-mod-http-lua");
    }
    packages.dedup();
    if !packages.is_empty() {
        return Err(format!("missing here; on Debian: apt-get install {}", packages.join(" ")).into());
    }
    let release = if cfg!(debug_assertions) { "" } else { "--release " };
    let ours = [programs.join("tidegate-edge"), programs.join("tidegate-control-plane"), beside("floor")?];
    let missing: Vec<String> =
        ours.iter().filter(|path| !path.is_file()).map(|path| path.display().to_string()).collect();
    if !missing.is_empty() {
        let build = format!("cargo build {release}-p edge -p control-plane -p benches --bins");
        return Err(format!("missing: {}; {build}", missing.join(", ")).into());
    }
    Ok(())
}
