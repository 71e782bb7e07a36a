//! What a vendor offers: applications, versions, files, and the rules that order and hide them.

pub mod question;

use std::cmp::Ordering;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization as _;

use crate::digest::Digest;
use crate::id::{ApplicationId, FileId, VersionId, VersionName};
use crate::tier::TierName;
use crate::time::Timestamp;

/// An application as every plane knows it. Who may see it is said by customers and keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Application {
    /// Unique in the tenant.
    pub id: ApplicationId,
    /// Display name, 1 to 200 characters.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// At most 20.
    pub tags: Vec<String>,
    /// Inactive ones are hidden from customers.
    pub is_active: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A version of an application with all its files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// Unique everywhere.
    pub id: VersionId,
    /// Unique in the application.
    pub name: VersionName,
    /// At most 5 000 characters.
    pub release_notes: Option<String>,
    /// Customers of a lower rank neither see nor get it.
    pub required_tier: Option<TierName>,
    /// Who sees it while it is a draft, and at all unless it is [`PRODUCTION`].
    pub channel: String,
    /// False when yanked: nobody gets it.
    pub is_active: bool,
    /// False while it is a draft.
    pub is_enabled: bool,
    /// By `order`.
    pub files: Vec<File>,
    /// How often a whole file of it was downloaded, as far as was told: counting goes on between two tellings.
    pub download_count: u64,
    /// When it was first uploaded.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// One file of a version: immutable bytes under a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// Unique everywhere.
    pub id: FileId,
    /// Unique in the version; obeys [`parse_file_name`].
    pub name: String,
    /// What it is for.
    pub file_type: FileType,
    /// What the vendor says it is; served as such, with `nosniff`.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// Of the bytes.
    pub digest: Digest,
    /// Position in the version, from 0.
    pub order: u32,
    /// For people.
    pub description: Option<String>,
}

impl Version {
    /// The file that is meant when none is named: the first `MAIN` one, else the first.
    #[must_use]
    pub fn main_file(&self) -> Option<&File> {
        self.files.iter().find(|f| f.file_type == FileType::Main).or_else(|| self.files.first())
    }
}

/// The channel of versions that are for everybody.
pub const PRODUCTION: &str = "Production";
/// The channel that shows drafts of [`PRODUCTION`] to those entitled to it.
pub const TEST: &str = "Test";

/// Whether a version shows to who asks with `asked` (the `X-Channel` header), being entitled to `entitled`.
/// An enabled production version shows to everybody; others only through their channel, drafts of production through
/// [`TEST`].
#[must_use]
pub fn shows(version: &Version, asked: Option<&str>, entitled: impl Fn(&str) -> bool) -> bool {
    let public = version.channel.eq_ignore_ascii_case(PRODUCTION);
    if public && version.is_enabled {
        return true;
    }
    let needed = if public { TEST } else { version.channel.as_str() };
    asked.is_some_and(|asked| asked.eq_ignore_ascii_case(needed)) && entitled(needed)
}

/// What a file is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FileType {
    /// What people come for.
    Main,
    /// Needed beside it.
    Dependency,
    /// To read.
    Documentation,
    /// To adapt.
    Configuration,
}

impl FileType {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Main => "MAIN",
            Self::Dependency => "DEPENDENCY",
            Self::Documentation => "DOCUMENTATION",
            Self::Configuration => "CONFIGURATION",
        }
    }

    /// What a name suggests, when nobody says.
    #[must_use]
    pub fn guess(file_name: &str) -> Self {
        let extension = file_name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
        match extension.as_deref() {
            Some("md" | "txt" | "pdf" | "html" | "htm" | "rtf" | "chm") => Self::Documentation,
            Some("json" | "yaml" | "yml" | "toml" | "ini" | "conf" | "cfg" | "config" | "xml") => {
                Self::Configuration
            }
            Some("dll" | "so" | "dylib" | "lib" | "a" | "jar" | "bpl") => Self::Dependency,
            _ => Self::Main,
        }
    }
}

impl FromStr for FileType {
    type Err = InvalidForm;

    fn from_str(text: &str) -> Result<Self, InvalidForm> {
        let all = [Self::Main, Self::Dependency, Self::Documentation, Self::Configuration];
        let named = all.into_iter().find(|t| text.eq_ignore_ascii_case(t.as_str()));
        named.ok_or(InvalidForm("fileType must be MAIN, DEPENDENCY, DOCUMENTATION or CONFIGURATION"))
    }
}

/// Text that does not have the form that its field needs; says the form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidForm(pub &'static str);

/// A file name in NFKC that is safe on every system that it may be saved on.
///
/// # Errors
/// When it is empty, over 255 bytes, a path, a device name of Windows, or has characters that a file system or a
/// header could read as something else.
pub fn parse_file_name(text: &str) -> Result<String, InvalidForm> {
    const FORM: InvalidForm = InvalidForm(
        "fileName must be 1 to 255 bytes without / \\ : < > | ? * \" ' control characters or '..', not begin or end with a dot or space, and not be a device name of Windows",
    );
    if text.len() > 1_024 {
        return Err(FORM);
    }
    let name: String = text.nfkc().collect();
    let edge = |c: Option<char>| matches!(c, None | Some('.' | ' '));
    let unsafe_char = |c: char| c.is_control() || "/\\:<>|?*\"'".contains(c) || is_bidi_control(c);
    let fits = name.len() <= 255 && !edge(name.chars().next()) && !edge(name.chars().last());
    let plain = !name.chars().any(unsafe_char) && !name.contains("..");
    if fits && plain && !is_device_name(&name) { Ok(name) } else { Err(FORM) }
}

/// Characters that turn the reading direction: `exe.txt` could show as `txt.exe` (Unicode TR 36).
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}')
}

fn is_device_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

/// Orders version names: numbers by value, a prerelease below its release (Semantic Versioning 2.0.0 section 11);
/// names that are not SemVer in natural order. Build metadata and spelling only break ties, so the order is total.
#[must_use]
pub fn compare_versions(a: &VersionName, b: &VersionName) -> Ordering {
    compare_precedence(a, b).then_with(|| a.as_str().cmp(b.as_str()))
}

/// The same without the last word of spelling: `1.0`, `v1.0.0` and `1.0.0+5` are equal. Who has one of them and is
/// offered another would be offered it again after taking it.
#[must_use]
pub fn compare_precedence(a: &VersionName, b: &VersionName) -> Ordering {
    let (left_core, left_pre) = split_version(a.as_str());
    let (right_core, right_pre) = split_version(b.as_str());
    compare_dotted(left_core, right_core).then_with(|| match (left_pre, right_pre) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(x), Some(y)) => compare_prerelease(x, y),
    })
}

/// Without a leading `v` and without build metadata: the core, and the prerelease behind the first hyphen.
fn split_version(text: &str) -> (&str, Option<&str>) {
    let bare = text
        .strip_prefix(['v', 'V'])
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or(text);
    let precedence = bare.split('+').next().unwrap_or_default();
    match precedence.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (precedence, None),
    }
}

/// A missing part counts as zero: `1.0` and `1.0.0` are neighbours.
fn compare_dotted(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (x, y) => match compare_part(x.unwrap_or("0"), y.unwrap_or("0")) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

/// Section 11.4: identifiers one by one; when all are equal, the longer one is higher.
fn compare_prerelease(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => match compare_part(x, y) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

/// Runs of digits by value, digits below letters.
fn compare_part(a: &str, b: &str) -> Ordering {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|c| c.is_ascii_digit());
    match (digits(a), digits(b)) {
        (true, true) => {
            let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        }
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_ordered_by_semver_precedence() {
        let mut ordered = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.2",
            "v1.10.0",
            "2.0.0-enterprise",
            "2.0.0",
            "nightly",
        ]
        .map(|v| v.parse::<VersionName>().unwrap());
        let expected = ordered.clone();
        ordered.reverse();
        ordered.sort_by(compare_versions);
        assert_eq!(ordered, expected);
    }

    #[test]
    fn spelling_and_build_metadata_have_no_precedence() {
        let check = |a: &str, b: &str, expected: Ordering| {
            assert_eq!(compare_precedence(&a.parse().unwrap(), &b.parse().unwrap()), expected, "{a} {b}");
        };
        for same in ["1.0.0", "v1.0.0", "1.0", "1", "1.0.0+5", "01.0"] {
            check("1.0.0", same, Ordering::Equal);
            check(same, "1.0.0-rc.1", Ordering::Greater);
            check(same, "1.0.1", Ordering::Less);
        }
    }

    #[test]
    fn file_names_that_could_do_harm_are_refused() {
        for bad in [
            "",
            ".",
            "..",
            "../../x",
            "C:\\x",
            "a\"b",
            "a\r\nX: y",
            "NUL",
            "com1.txt",
            "nul.tar.gz",
            " a",
            "a ",
            ".hidden",
            "a..b",
            "a\u{202e}exe.txt",
            &"x".repeat(256),
            "／etc",
        ] {
            assert!(parse_file_name(bad).is_err(), "{bad:?}");
        }
        for good in ["my-app-2.2.0.exe", "Prüfung (1).zip", "日本語.tar.gz", "console.txt", "com10"] {
            assert!(parse_file_name(good).is_ok(), "{good:?}");
        }
        assert_eq!(parse_file_name("ｆｕｌｌ.exe").unwrap(), "full.exe");
    }

    #[test]
    fn drafts_show_only_through_a_channel_one_is_entitled_to() {
        let version = |channel: &str, is_enabled| Version {
            id: "ver_1".parse().unwrap(),
            name: "1.0.0".parse().unwrap(),
            release_notes: None,
            required_tier: None,
            channel: channel.to_owned(),
            is_active: true,
            is_enabled,
            files: vec![],
            download_count: 0,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        };
        let check = |version: &Version, asked: Option<&str>, entitled: &str, shown: bool| {
            assert_eq!(shows(version, asked, |c| c == entitled), shown, "{version:?} {asked:?} {entitled}");
        };
        check(&version(PRODUCTION, true), None, "", true);
        check(&version(PRODUCTION, false), None, TEST, false);
        check(&version(PRODUCTION, false), Some("Test"), TEST, true);
        check(&version(PRODUCTION, false), Some("test"), "", false);
        check(&version("Beta", true), None, "Beta", false);
        check(&version("Beta", true), Some("Beta"), "Beta", true);
        check(&version("Beta", true), Some("Test"), TEST, false);
    }

    proptest! {
        #[test]
        fn version_order_is_total(a in "[0-9a-z.+-]{1,12}", b in "[0-9a-z.+-]{1,12}", c in "[0-9a-z.+-]{1,12}") {
            let [a, b, c] = [a, b, c].map(|v| v.parse::<VersionName>());
            let (Ok(a), Ok(b), Ok(c)) = (a, b, c) else { return Ok(()) };
            prop_assert_eq!(compare_versions(&a, &b), compare_versions(&b, &a).reverse());
            if compare_versions(&a, &b).is_le() && compare_versions(&b, &c).is_le() {
                prop_assert!(compare_versions(&a, &c).is_le());
            }
        }
    }
}
