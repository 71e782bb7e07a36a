//! Which platform a file is for, by its name alone: vendors name their files `app-1.2.0-win-x64.exe`, `app_arm64.deb`,
//! `App.dmg`. What a name does not say, it does not exclude.

/// An operating system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Os {
    Windows,
    Macos,
    Linux,
    Freebsd,
    Android,
    Ios,
}

/// A family of processors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arch {
    X86_64,
    Aarch64,
    I686,
    Armv7,
    Riscv64,
    Ppc64le,
    S390x,
}

/// What who asks runs on, as far as it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Platform {
    pub os: Option<Os>,
    pub arch: Option<Arch>,
}

/// Longer words stand before those that they begin with: a word may have a number behind it, like `macos12`.
const SYSTEMS: &[(&str, Os)] = &[
    ("windows", Os::Windows),
    ("win32", Os::Windows),
    ("win", Os::Windows),
    ("macosx", Os::Macos),
    ("macos", Os::Macos),
    ("mac", Os::Macos),
    ("darwin", Os::Macos),
    ("osx", Os::Macos),
    ("linux", Os::Linux),
    ("ubuntu", Os::Linux),
    ("debian", Os::Linux),
    ("freebsd", Os::Freebsd),
    ("android", Os::Android),
    ("ios", Os::Ios),
];

const PROCESSORS: &[(&str, Arch)] = &[
    // `x86_64` and `x86-64` are one word before a name is cut into words.
    ("x64", Arch::X86_64),
    ("amd64", Arch::X86_64),
    ("aarch64", Arch::Aarch64),
    ("arm64", Arch::Aarch64),
    ("i686", Arch::I686),
    ("i586", Arch::I686),
    ("i386", Arch::I686),
    ("ia32", Arch::I686),
    ("x86", Arch::I686),
    ("armv7", Arch::Armv7),
    ("armv7l", Arch::Armv7),
    ("armv6", Arch::Armv7),
    ("armv6l", Arch::Armv7),
    ("armhf", Arch::Armv7),
    ("riscv64", Arch::Riscv64),
    ("ppc64le", Arch::Ppc64le),
    ("ppc64el", Arch::Ppc64le),
    ("s390x", Arch::S390x),
];

/// Words that are too common elsewhere: they count right behind the name of a system, as in `linux-arm`.
const BEHIND_A_SYSTEM: &[(&str, Arch)] = &[("386", Arch::I686), ("arm", Arch::Armv7)];

/// Endings that only one system can use. They outweigh what the rest of a name says.
const ENDINGS: &[(&str, Os)] = &[
    (".exe", Os::Windows),
    (".msi", Os::Windows),
    (".msix", Os::Windows),
    (".appx", Os::Windows),
    (".msi.zip", Os::Windows),
    (".nsis.zip", Os::Windows),
    (".dmg", Os::Macos),
    (".app.tar.gz", Os::Macos),
    (".app.zip", Os::Macos),
    (".appimage", Os::Linux),
    (".appimage.tar.gz", Os::Linux),
    (".deb", Os::Linux),
    (".rpm", Os::Linux),
    (".apk", Os::Android),
    (".ipa", Os::Ios),
];

fn of<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(name, _)| *name == word).map(|(_, meant)| *meant)
}

fn in_small_letters(text: &str) -> String {
    text.to_lowercase().replace("x86_64", "x64").replace("x86-64", "x64")
}

impl Os {
    /// What a client calls its system. `None` for what we have never heard of.
    pub fn parse(text: &str) -> Option<Self> {
        of(SYSTEMS, &in_small_letters(text))
    }
}

impl Arch {
    /// What a client calls its processor.
    pub fn parse(text: &str) -> Option<Self> {
        let word = in_small_letters(text);
        of(PROCESSORS, &word).or_else(|| of(BEHIND_A_SYSTEM, &word))
    }
}

/// What a file's name says of systems and processors.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Said {
    systems: Vec<Os>,
    processors: Vec<Arch>,
}

impl Said {
    fn read(file_name: &str, application: &str) -> Self {
        let name = in_small_letters(without_application(file_name, application));
        let mut said = Self::default();
        let mut after_system = false;
        for word in name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let (system, processor) = read_word(word, after_system);
            said.systems.extend(system);
            said.processors.extend(processor);
            after_system = system.is_some();
        }
        if let Some((_, system)) = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)) {
            said.systems = vec![*system];
        }
        said
    }
}

/// An application may be called `win-tools`: that says nothing of its files.
fn without_application<'n>(file_name: &'n str, application: &str) -> &'n str {
    let begins =
        file_name.get(..application.len()).is_some_and(|head| head.eq_ignore_ascii_case(application));
    let rest = if begins { &file_name[application.len()..] } else { file_name };
    if rest.starts_with(|c: char| !c.is_alphanumeric()) { rest } else { file_name }
}

/// One word: a system, a processor, or both in one like `win64`, `linuxarm64`, `macos12`.
fn read_word(word: &str, after_system: bool) -> (Option<Os>, Option<Arch>) {
    let processor = of(PROCESSORS, word);
    let processor = processor.or_else(|| of(BEHIND_A_SYSTEM, word).filter(|_| after_system));
    if processor.is_some() {
        return (None, processor);
    }
    let system = SYSTEMS.iter().find_map(|(name, os)| Some((*os, word.strip_prefix(name)?)));
    match system {
        None => (None, None),
        Some((os, "64")) => (Some(os), Some(Arch::X86_64)),
        Some((os, "32")) => (Some(os), Some(Arch::I686)),
        Some((os, rest)) if rest.bytes().all(|b| b.is_ascii_digit()) => (Some(os), None),
        Some((os, rest)) => match of(PROCESSORS, rest) {
            Some(processor) => (Some(os), Some(processor)),
            None => (None, None),
        },
    }
}

/// How well a file of that name fits: `None` when it is for another platform, and the more the better otherwise: one
/// for the system and one for the processor that it names.
pub fn fitness(file_name: &str, application: &str, asked: Platform) -> Option<u8> {
    let said = Said::read(file_name, application);
    Some(fits(&said.systems, asked.os)? + fits(&said.processors, asked.arch)?)
}

fn fits<T: PartialEq>(said: &[T], asked: Option<T>) -> Option<u8> {
    match asked {
        Some(asked) if said.contains(&asked) => Some(1),
        Some(_) if !said.is_empty() => None,
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests;
