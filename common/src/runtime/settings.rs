//! Settings from one TOML file and the environment: every mistake is found, and all are told at once.
//!
//! A setting `listen` is `listen = …` in the file and `TIDEGATE_LISTEN` in the environment, which wins; a secret may
//! also come from the file that `TIDEGATE_…_FILE` names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use crate::secret::Secret;

/// Everything that is wrong with the settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistakes(pub Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(|mistake| format!("- {mistake}")).collect();
        write!(f, "the settings have {} mistake(s):\n{}", self.0.len(), lines.join("\n"))
    }
}

impl std::error::Error for Mistakes {}

/// The settings while they are read: values by name, what was asked for, and what was wrong.
#[derive(Debug)]
pub struct Settings {
    file: BTreeMap<String, toml::Value>,
    environment: BTreeMap<String, String>,
    asked: BTreeSet<String>,
    effective: Vec<(String, String)>,
    mistakes: Vec<String>,
}

const PREFIX: &str = "TIDEGATE_";

impl Settings {
    /// Reads the file, if one is named, and takes the environment of the process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn load(file: Option<&Path>) -> Self {
        let mut mistakes = Vec::new();
        let text = file.map(|path| {
            std::fs::read_to_string(path).unwrap_or_else(|e| {
                mistakes.push(format!("cannot read {}: {e}", path.display()));
                String::new()
            })
        });
        let environment = std::env::vars().filter(|(name, _)| name.starts_with(PREFIX));
        let mut settings = Self::from_parts(text.as_deref().unwrap_or_default(), environment);
        settings.mistakes.splice(0..0, mistakes);
        settings
    }

    /// From the text of a file and pairs of an environment: for tests and samples.
    #[must_use]
    pub fn from_parts(toml: &str, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut mistakes = Vec::new();
        let file = toml.parse::<toml::Table>().unwrap_or_else(|e| {
            mistakes.push(format!("the file is not TOML: {}", e.message()));
            toml::Table::new()
        });
        Self {
            file: file.into_iter().collect(),
            environment: environment.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
            asked: BTreeSet::new(),
            effective: Vec::new(),
            mistakes,
        }
    }

    /// A setting that may be absent. `parse` says what is wrong with a text; the mistake names the setting.
    pub fn optional<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(name)?;
        match parse(&text) {
            Ok(value) => {
                self.effective.push((name.to_owned(), text));
                Some(value)
            }
            Err(says) => {
                self.mistakes.push(format!("{PREFIX}{} ({name}): {says}", name.to_uppercase()));
                None
            }
        }
    }

    /// A setting with a default, given as the text that one would write.
    pub fn defaulted<T>(
        &mut self,
        name: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.is_set(name) {
            return self.optional(name, parse);
        }
        self.asked.insert(name.to_owned());
        self.effective.push((name.to_owned(), default.to_owned()));
        match parse(default) {
            Ok(value) => Some(value),
            Err(says) => {
                self.mistakes.push(format!("{name}: {says}"));
                None
            }
        }
    }

    /// A setting that must be there.
    pub fn required<T>(
        &mut self,
        name: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.is_set(name) {
            self.asked.insert(name.to_owned());
            self.mistakes.push(format!("{PREFIX}{} ({name}) is missing: {what}", name.to_uppercase()));
            return None;
        }
        self.optional(name, parse)
    }

    /// A secret: from the setting itself, or from the file that `{name}_file` names. Never printed.
    pub fn secret(&mut self, name: &str) -> Option<Secret> {
        let file_name = format!("{name}_file");
        let (direct, path) = (self.text(name), self.text(&file_name));
        let text = match (direct, path) {
            (Some(_), Some(_)) => {
                self.mistakes.push(format!("{name} and {file_name} are both set: keep one"));
                return None;
            }
            (Some(text), None) => text,
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(text) => text.trim_end_matches(['\r', '\n']).to_owned(),
                Err(e) => {
                    self.mistakes.push(format!("{file_name}: cannot read {path}: {e}"));
                    return None;
                }
            },
            (None, None) => return None,
        };
        self.effective.push((name.to_owned(), "(secret)".to_owned()));
        Some(Secret::new(text))
    }

    /// Adds a mistake that concerns several settings.
    pub fn mistake(&mut self, says: impl Into<String>) {
        self.mistakes.push(says.into());
    }

    /// The settings in force as TOML, secrets masked: what `--check` prints.
    ///
    /// # Errors
    /// All mistakes, among them names in the file that nothing asked for.
    pub fn finish(mut self) -> Result<String, Mistakes> {
        for name in self.file.keys().filter(|name| !self.asked.contains(*name)) {
            self.mistakes.push(format!("'{name}' in the file is not a setting of this program"));
        }
        if !self.mistakes.is_empty() {
            return Err(Mistakes(self.mistakes));
        }
        let line =
            |(name, value): &(String, String)| format!("{name} = {}", toml::Value::String(value.clone()));
        Ok(self.effective.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    fn is_set(&self, name: &str) -> bool {
        self.file.contains_key(name) || self.environment.contains_key(&variable(name))
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.asked.insert(name.to_owned());
        if let Some(value) = self.environment.get(&variable(name)) {
            return Some(value.clone());
        }
        let text = match self.file.get(name)? {
            toml::Value::String(text) => Ok(text.clone()),
            toml::Value::Integer(number) => Ok(number.to_string()),
            toml::Value::Boolean(flag) => Ok(flag.to_string()),
            toml::Value::Array(items) => {
                items.iter().map(item_text).collect::<Option<Vec<_>>>().map(|t| t.join(",")).ok_or(())
            }
            _ => Err(()),
        };
        if text.is_err() {
            self.mistakes.push(format!(
                "'{name}' in the file must be a text, a number, true, false, or a list of texts"
            ));
        }
        text.ok()
    }
}

fn item_text(value: &toml::Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_uppercase())
}

/// `true`, `false`, `1`, `0`, `yes`, `no`.
///
/// # Errors
/// What to write instead.
pub fn parse_flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("'{text}' must be true or false")),
    }
}

/// An IP address and port.
///
/// # Errors
/// What to write instead.
pub fn parse_listen(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("'{text}' must be an IP address and a port, like 127.0.0.1:8080 or [::]:8080"))
}

/// A directory given as `file:///dir`.
///
/// # Errors
/// What to write instead; other schemes are named as such.
pub fn parse_directory_url(text: &str) -> Result<std::path::PathBuf, String> {
    match text.split_once("://") {
        Some(("file", path)) if path.starts_with('/') => Ok(path.into()),
        Some(("file", _)) => {
            Err(format!("'{text}' must name an absolute directory, like file:///var/lib/tidegate/blobs"))
        }
        Some((scheme, _)) => Err(format!(
            "this release keeps bytes in a directory (file:///dir); '{scheme}' is not supported yet"
        )),
        None => Err("must be a URL like file:///var/lib/tidegate/blobs".to_owned()),
    }
}

/// The public URL: http or https, a host, perhaps a path; no query, no trailing slash kept.
///
/// # Errors
/// What to write instead.
pub fn parse_public_url(text: &str) -> Result<String, String> {
    let wrong = || format!("'{text}' must be a URL like https://dl.example.com or https://example.com/dl");
    let uri: http::Uri = text.parse().map_err(|_| wrong())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.authority().is_some_and(|a| !a.as_str().contains('@')) && uri.query().is_none();
    if known && plain { Ok(text.trim_end_matches('/').to_owned()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<u32, String> {
        text.parse().map_err(|_| "must be a number".to_owned())
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let environment = [("TIDEGATE_A".to_owned(), "3".to_owned())];
        let mut settings = Settings::from_parts("a = 2\nb = 2", environment);
        assert_eq!(settings.defaulted("a", "1", number), Some(3));
        assert_eq!(settings.defaulted("b", "1", number), Some(2));
        assert_eq!(settings.defaulted("c", "1", number), Some(1));
        insta::assert_snapshot!(settings.finish().unwrap(), @r#"
        a = "3"
        b = "2"
        c = "1"
        "#);
    }

    #[test]
    fn every_mistake_is_told_at_once_and_no_secret_with_it() {
        let mut settings = Settings::from_parts("a = 'x'\ntypo = 1\nkey = 'hush'", []);
        settings.defaulted("a", "1", number);
        settings.required("b", "say where", number);
        settings.secret("key");
        insta::assert_snapshot!(settings.finish().unwrap_err(), @r"
        the settings have 3 mistake(s):
        - TIDEGATE_A (a): must be a number
        - TIDEGATE_B (b) is missing: say where
        - 'typo' in the file is not a setting of this program
        ");
    }

    #[test]
    fn a_secret_may_come_from_a_file_and_is_masked() {
        let mut settings = Settings::from_parts("key = 'hush'", []);
        assert_eq!(settings.secret("key").unwrap().expose(), "hush");
        assert_eq!(settings.finish().unwrap(), r#"key = "(secret)""#);
    }
}
