//! Names that vendors give their files, and who they fit.

use proptest::prelude::*;

use super::{Arch, ENDINGS, Os, PROCESSORS, Platform, SYSTEMS, Said, fitness};

fn check(name: &str, systems: &[Os], processors: &[Arch]) {
    let expected = Said { systems: systems.to_vec(), processors: processors.to_vec() };
    assert_eq!(Said::read(name, "my-app"), expected, "{name}");
}

#[test]
fn a_name_says_what_its_words_and_its_ending_say() {
    use Arch::{Aarch64, Armv7, I686, Riscv64, X86_64};
    use Os::{Android, Linux, Macos, Windows};
    check("my-app-1.2.0.zip", &[], &[]);
    check("My App Setup 1.2.0.exe", &[Windows], &[]);
    check("my-app-1.2.0-win-x64.zip", &[Windows], &[X86_64]);
    check("my-app_win32_ia32.zip", &[Windows], &[I686]);
    check("my-app-win64.zip", &[Windows], &[X86_64]);
    check("my-app-win32-x64.zip", &[Windows], &[X86_64]);
    check("my-app-Windows-x86_64.msi", &[Windows], &[X86_64]);
    check("my-app-x86_64-pc-windows-gnu.zip", &[Windows], &[X86_64]);
    check("my-app_1.2.0_x64-setup.nsis.zip", &[Windows], &[X86_64]);
    check("my-app-aarch64-apple-darwin.tar.gz", &[Macos], &[Aarch64]);
    check("My App_1.2.0_x64.dmg", &[Macos], &[X86_64]);
    check("my-app_aarch64.app.tar.gz", &[Macos], &[Aarch64]);
    check("my-app-osx.10.9-x64.zip", &[Macos], &[X86_64]);
    check("my-app-macos12-arm64.zip", &[Macos], &[Aarch64]);
    check("my-app_mac_universal.zip", &[Macos], &[]);
    check("my-app_1.2.0_amd64.deb", &[Linux], &[X86_64]);
    check("my-app_1.2.0_armhf.deb", &[Linux], &[Armv7]);
    check("my-app-1.2.0-1.i686.rpm", &[Linux], &[I686]);
    check("my-app-x86-64.AppImage", &[Linux], &[X86_64]);
    check("my-app_1.2.0_amd64.AppImage.tar.gz", &[Linux], &[X86_64]);
    check("my-app_linux_386.tar.gz", &[Linux], &[I686]);
    check("my-app-linux-arm.tar.gz", &[Linux], &[Armv7]);
    check("my-app-linux-armv7.tar.gz", &[Linux], &[Armv7]);
    check("my-app-linuxarm64.tar.gz", &[Linux], &[Aarch64]);
    check("my-app-linux-riscv64.tar.gz", &[Linux], &[Riscv64]);
    check("my-app.apk", &[Android], &[]);
    check("my-app-x86.zip", &[], &[I686]);
    // Several names are several platforms, and an ending outweighs words.
    check("my-app-win-mac-linux.zip", &[Windows, Macos, Linux], &[]);
    check("my-app-for-mac-users.exe", &[Windows], &[]);
    // What only looks like a platform.
    check("my-app-darwinian-window-machine-wine.zip", &[], &[]);
    check("my-app-1.0.386.zip", &[], &[]);
    check("robot-arm-1.0.zip", &[], &[]);
    check("prüfung-ｗｉｎ.zip", &[], &[]);
}

#[test]
fn the_name_of_the_application_says_nothing() {
    for (application, name, systems) in [
        ("win-tools", "win-tools-1.0.zip", &[][..]),
        ("win-tools", "Win-Tools-1.0-linux.zip", &[Os::Linux]),
        ("win", "win.zip", &[]),
        ("win", "windows.zip", &[Os::Windows]),
        ("dar", "darwin.zip", &[Os::Macos]),
        ("x", "ü.exe", &[Os::Windows]),
    ] {
        assert_eq!(Said::read(name, application).systems, systems, "{application}: {name}");
    }
}

#[test]
fn clients_name_their_platform_in_any_spelling() {
    for (text, expected) in [
        ("windows", Some(Os::Windows)),
        ("WIN", Some(Os::Windows)),
        ("win32", Some(Os::Windows)),
        ("darwin", Some(Os::Macos)),
        ("macOS", Some(Os::Macos)),
        ("linux", Some(Os::Linux)),
        ("plan9", None),
        ("", None),
    ] {
        assert_eq!(Os::parse(text), expected, "{text}");
    }
    for (text, expected) in [
        ("x86_64", Some(Arch::X86_64)),
        ("x86-64", Some(Arch::X86_64)),
        ("X64", Some(Arch::X86_64)),
        ("amd64", Some(Arch::X86_64)),
        ("aarch64", Some(Arch::Aarch64)),
        ("arm64", Some(Arch::Aarch64)),
        ("x86", Some(Arch::I686)),
        ("i386", Some(Arch::I686)),
        ("386", Some(Arch::I686)),
        ("ia32", Some(Arch::I686)),
        ("armv7", Some(Arch::Armv7)),
        ("arm", Some(Arch::Armv7)),
        ("pdp11", None),
    ] {
        assert_eq!(Arch::parse(text), expected, "{text}");
    }
}

fn any_platform() -> impl Strategy<Value = Platform> {
    let os = prop::option::of(prop::sample::select(SYSTEMS.iter().map(|(_, os)| *os).collect::<Vec<_>>()));
    let arch = prop::option::of(prop::sample::select(PROCESSORS.iter().map(|(_, a)| *a).collect::<Vec<_>>()));
    (os, arch).prop_map(|(os, arch)| Platform { os, arch })
}

proptest! {
    /// Whatever a file is called: who says nothing of itself is fitted by it, and it is never exact beyond what was asked.
    #[test]
    fn any_name_fits_who_asks_for_nothing(name in "\\PC{0,40}", application in "[a-z0-9-]{1,12}", asked in any_platform()) {
        prop_assert_eq!(fitness(&name, &application, Platform::default()), Some(0));
        let most = u8::from(asked.os.is_some()) + u8::from(asked.arch.is_some());
        prop_assert!(fitness(&name, &application, asked).is_none_or(|fitness| fitness <= most));
    }

    /// Spelling, separators and place of the words do not matter; a name for one platform fits it exactly, no other.
    #[test]
    fn a_named_platform_fits_exactly_itself(
        (system, os) in prop::sample::select(SYSTEMS),
        (processor, arch) in prop::sample::select(PROCESSORS),
        turned in any::<bool>(), loud in any::<bool>(), separator in "[-_. ]",
        asked in any_platform(),
    ) {
        let words = if turned { [processor, system] } else { [system, processor] };
        let name = format!("tool{separator}1.0{separator}{}.zip", words.join(&separator));
        let name = if loud { name.to_uppercase() } else { name };
        let exact = Platform { os: Some(os), arch: Some(arch) };
        prop_assert_eq!(fitness(&name, "my-app", exact), Some(2), "{}", name);
        let other = asked.os.is_some_and(|asked| asked != os) || asked.arch.is_some_and(|asked| asked != arch);
        prop_assert_eq!(fitness(&name, "my-app", asked).is_none(), other, "{} {:?}", name, asked);
    }

    #[test]
    fn an_ending_outweighs_every_word(
        (ending, os) in prop::sample::select(ENDINGS), (word, _) in prop::sample::select(SYSTEMS), asked in any_platform(),
    ) {
        let fits = fitness(&format!("tool-{word}{ending}"), "my-app", Platform { arch: None, ..asked });
        prop_assert_eq!(fits.is_some(), asked.os.is_none_or(|asked| asked == os));
    }
}
