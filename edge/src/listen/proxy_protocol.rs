//! What a proxy says before all else, when it passes a connection on: whose it is (PROXY protocol, version 2, section
//! 2.2). Pure, and read here rather than by a crate: sixteen bytes of fixed form, of which we need the source alone, and
//! of a LOCAL header nothing behind them, whatever stands there.

use std::net::IpAddr;

use common::network::canonical;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and transport, and the length of what follows.
const FIXED: usize = 16;
/// Addresses and what else proxies tell (TLVs, section 2.2.6): names and certificates of hosts. More is no header.
const LONGEST: usize = 4 << 10;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP_OVER_V4: u8 = 0x11;
const TCP_OVER_V6: u8 = 0x21;

/// What the bytes that came so far say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Announced {
    /// Nothing yet: there are to be so many more.
    More(usize),
    /// The proxy speaks for itself: it looks whether we live.
    Itself,
    /// This is the client.
    Client(IpAddr),
}

/// No header that names a client of TCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unreadable;

/// Reads what came; never asks for more than belongs to the header.
pub(super) fn read(bytes: &[u8]) -> Result<Announced, Unreadable> {
    let begun = bytes.len().min(SIGNATURE.len());
    if bytes[..begun] != SIGNATURE[..begun] {
        return Err(Unreadable);
    }
    let Some((fixed, block)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(Announced::More(FIXED - bytes.len()));
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !matches!(command, LOCAL | PROXY) || length > LONGEST {
        return Err(Unreadable);
    }
    if block.len() < length {
        return Ok(Announced::More(length - block.len()));
    }
    let block = &block[..length];
    if command == LOCAL {
        return Ok(Announced::Itself);
    }
    let client = match family {
        TCP_OVER_V4 => source::<4>(block).map(IpAddr::from),
        TCP_OVER_V6 => source::<16>(block).map(IpAddr::from),
        // Somebody, and the proxy cannot say who: there is no address that rules could be applied to.
        _ => None,
    };
    client.map(|address| Announced::Client(canonical(address))).ok_or(Unreadable)
}

/// The source: the first address of a block that holds two, and their ports.
fn source<const LENGTH: usize>(block: &[u8]) -> Option<[u8; LENGTH]> {
    let whole = block.get(..2 * LENGTH + 4)?;
    whole.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;
    use proptest::prelude::*;

    fn header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, block].concat()
    }

    fn v4() -> Vec<u8> {
        vec![203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x67, 0, 80]
    }

    fn v6(address: &str) -> Vec<u8> {
        let address: Ipv6Addr = address.parse().unwrap();
        [&address.octets()[..], &[0; 16], &[0x12, 0x67, 0, 80]].concat()
    }

    #[test]
    fn a_header_names_the_client() {
        let check = |bytes: &[u8], client: &str| {
            assert_eq!(
                read(bytes),
                Ok(Announced::Client(client.parse().unwrap())),
                "{}",
                bytes.escape_ascii()
            );
        };
        check(&header(PROXY, TCP_OVER_V4, &v4()), "203.0.113.7");
        check(&header(PROXY, TCP_OVER_V6, &v6("2001:db8::7")), "2001:db8::7");
        check(&header(PROXY, TCP_OVER_V6, &v6("::ffff:203.0.113.7")), "203.0.113.7");
        // What else proxies tell is skipped, whatever it is.
        check(
            &header(PROXY, TCP_OVER_V4, &[v4(), vec![0x02, 0, 3, b'a', b'b', b'c', 0xff]].concat()),
            "203.0.113.7",
        );
        check(&[header(PROXY, TCP_OVER_V4, &v4()), b"GET / HTTP/1.1".to_vec()].concat(), "203.0.113.7");
    }

    #[test]
    fn a_proxy_may_speak_for_itself() {
        for (family, block) in
            [(0, vec![]), (TCP_OVER_V4, v4()), (TCP_OVER_V4, vec![1]), (0xff, vec![0; 216])]
        {
            assert_eq!(read(&header(LOCAL, family, &block)), Ok(Announced::Itself), "{family}");
        }
    }

    #[test]
    fn what_names_no_client_of_tcp_is_no_header() {
        let too_long = [v4(), vec![0; LONGEST]].concat();
        for (command, family, block) in [
            (PROXY, 0x00, vec![]),
            (PROXY, 0x00, v4()),
            (PROXY, 0x12, v4()),
            (PROXY, 0x31, vec![0; 216]),
            (PROXY, TCP_OVER_V4, v4()[..11].to_vec()),
            (PROXY, TCP_OVER_V6, v4()),
            (PROXY, TCP_OVER_V4, too_long.clone()),
            (LOCAL, 0, too_long),
            (0x11, TCP_OVER_V4, v4()),
            (0x22, TCP_OVER_V4, v4()),
        ] {
            assert_eq!(read(&header(command, family, &block)), Err(Unreadable), "{command:x} {family:x}");
        }
        for text in
            [&b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n"[..], b"GET", b"\x16\x03\x01", b"\r\n\r\n\x01"]
        {
            assert_eq!(read(text), Err(Unreadable), "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn a_header_is_read_to_its_end_and_no_further(
            command in prop::sample::select(&[LOCAL, PROXY, 0x31][..]), family: u8, spoiled in prop::option::of(0..16usize),
            block in prop::collection::vec(any::<u8>(), 0..80), behind in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let mut header = header(command, family, &block);
            if let Some(at) = spoiled {
                header[at] ^= 1;
            }
            let sent = [header, behind].concat();
            let mut came = 0;
            while let Ok(Announced::More(more)) = read(&sent[..came]) {
                prop_assert!(more > 0);
                // A byte less is not enough to know what it says, unless that is nonsense.
                let short = read(&sent[..(came + more - 1).min(sent.len())]);
                prop_assert!(matches!(short, Ok(Announced::More(_)) | Err(Unreadable)), "{:?}", short);
                came += more;
                if came > sent.len() {
                    break;
                }
            }
            if spoiled.is_none() && command != 0x31 {
                prop_assert_eq!(came, FIXED + block.len());
                prop_assert_eq!(read(&sent), read(&sent[..came]));
            }
        }
    }
}
