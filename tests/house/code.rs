//! Rust text as the rules see it: without comments and strings, and without what only tests see.

/// The same lines, with comments, strings and character literals blanked out.
pub(crate) fn bare(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut bare = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = opaque_end(&chars, at);
        if end == at {
            bare.push(chars[at]);
            at += 1;
        } else {
            bare.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    bare
}

/// Where the comment or literal that begins at `at` ends; `at` itself when none begins there.
fn opaque_end(chars: &[char], at: usize) -> usize {
    let end = match (chars[at], chars.get(at + 1)) {
        ('/', Some('/')) => find(chars, at, |rest| rest[0] == '\n'),
        ('/', Some('*')) => comment_end(chars, at),
        ('"', _) => string_end(chars, at),
        ('r', Some('"' | '#')) => raw_string_end(chars, at),
        ('\'', Some('\\')) => find(chars, at + 3, |rest| rest[0] == '\'') + 1,
        ('\'', _) if chars.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    };
    end.min(chars.len())
}

fn find(chars: &[char], from: usize, is_end: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|at| is_end(&chars[*at..])).unwrap_or(chars.len())
}

fn comment_end(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < chars.len() {
        match &chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// `r#name` is an identifier, not a string.
fn raw_string_end(chars: &[char], start: usize) -> usize {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(start + 1 + hashes) != Some(&'"') {
        return start;
    }
    let closes = |rest: &[char]| {
        rest[0] == '"' && rest[1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    find(chars, start + 2 + hashes, closes) + 1 + hashes
}

/// The numbered lines that ship: items behind `#[cfg(test)]` are left out. Rustfmt's layout is relied on: an item ends at a
/// line of its own indentation that ends in `;`, `,` or `}`.
pub(crate) fn shipped(bare: &str) -> Vec<(usize, &str)> {
    let mut lines = (1..).zip(bare.lines());
    let mut shipped = Vec::new();
    while let Some((number, line)) = lines.next() {
        if is_test_attribute(line) {
            let indent = indent_of(line);
            lines
                .by_ref()
                .find(|(_, line)| indent_of(line) == indent && line.trim_end().ends_with([';', ',', '}']));
        } else {
            shipped.push((number, line));
        }
    }
    shipped
}

/// Names of the modules that are declared for tests only: their files do not ship either.
pub(crate) fn test_modules(bare: &str) -> Vec<&str> {
    let lines: Vec<&str> = bare.lines().collect();
    let declared = lines.windows(2).filter(|pair| is_test_attribute(pair[0]));
    declared.filter_map(|pair| pair[1].split_once("mod ")?.1.strip_suffix(';')).collect()
}

fn is_test_attribute(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test")
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[test]
fn comments_and_literals_are_blanked_and_lines_are_kept() {
    let cases = [
        ("let a = 1; // unsafe", "let a = 1;"),
        ("/* a /* b */ unsafe */ c", "c"),
        (r#"f("unsafe \" // x", g)"#, "f( , g)"),
        (r##"f(r#"a "quoted" b"#, g)"##, "f( , g)"),
        ("let r#type = 'x'; let l: &'static str;", "let r#type = ; let l: &'static str;"),
        (r"match c { '\'' => a, '\u{1F}' => b }", "match c { => a, => b }"),
        ("\"two\nlines\" x", "\n x"),
        ("\"never closed", ""),
    ];
    for (text, expected) in cases {
        let words = |s: &str| s.split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
        assert_eq!(words(&bare(text)), words(expected), "{text}");
        assert_eq!(bare(text).matches('\n').count(), text.matches('\n').count(), "{text}");
    }
}

#[test]
fn what_only_tests_see_does_not_ship() {
    let text = "fn a() {}\n#[cfg(test)]\nmod contract;\nfn b() {}\nimpl C {\n    #[cfg(test)]\n    fn d() {\n        e;\n    }\n    fn f() {}\n}\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\nfn h() {}";
    let numbers: Vec<usize> = shipped(text).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [1, 4, 5, 10, 11, 16]);
    assert_eq!(test_modules(text), ["contract"]);
}
