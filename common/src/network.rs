//! Addresses and allowlists, in one canonical form on both sides of every comparison.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Networks a key may be used from. Empty means: from anywhere.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Allowlist(Vec<IpNet>);

/// More entries than this in one list are a mistake.
pub const MOST_ENTRIES: usize = 1_000;

/// An entry that is neither an address nor a network.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidAllowlist {
    /// This entry cannot be read.
    #[error("'{0}' is neither an IP address nor a network in CIDR form, like 203.0.113.45 or 203.0.113.0/24")]
    Entry(String),
    /// There are too many.
    #[error("an allowlist has at most 1000 entries")]
    TooLong,
}

impl Allowlist {
    /// Reads entries, each an address or a CIDR network, each of which may itself be a comma list.
    /// Host bits are cleared, v4-mapped v6 becomes v4, duplicates vanish.
    ///
    /// # Errors
    /// The first entry that is not unmistakable: zone ids, leading zeros and prefixes out of range are refused.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidAllowlist> {
        let entries: Vec<&str> = entries.into_iter().collect();
        // An empty variable in somebody's script must not open a key to the world.
        if entries.iter().any(|entry| entry.split(',').all(|text| text.trim().is_empty())) {
            return Err(InvalidAllowlist::Entry(String::new()));
        }
        let texts =
            entries.iter().flat_map(|entry| entry.split(',')).map(str::trim).filter(|t| !t.is_empty());
        let mut list = Self::default();
        for text in texts {
            let network = parse_network(text);
            list.add(network.ok_or_else(|| InvalidAllowlist::Entry(text.chars().take(64).collect()))?)?;
        }
        Ok(list)
    }

    /// The same of networks that were read already.
    ///
    /// # Errors
    /// When there are too many.
    pub fn of(networks: impl IntoIterator<Item = IpNet>) -> Result<Self, InvalidAllowlist> {
        let mut list = Self::default();
        networks.into_iter().try_for_each(|network| list.add(unmap(network).trunc()))?;
        Ok(list)
    }

    fn add(&mut self, network: IpNet) -> Result<(), InvalidAllowlist> {
        if !self.0.contains(&network) {
            self.0.push(network);
        }
        if self.0.len() > MOST_ENTRIES { Err(InvalidAllowlist::TooLong) } else { Ok(()) }
    }

    /// True when the list is empty or one of its networks holds `address`.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        self.0.is_empty() || self.0.iter().any(|network| holds(network, address))
    }

    /// True when `other` admits every address that this list admits, entry by entry: networks of `other` that only
    /// together cover one of ours are not added up.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let covered = |network: &IpNet| other.0.iter().any(|wider| wider.contains(network));
        other.0.is_empty() || (!self.0.is_empty() && self.0.iter().all(covered))
    }

    /// The canonical entries.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    /// The entries as text: single addresses without a prefix, as people write them.
    #[must_use]
    pub fn to_texts(&self) -> Vec<String> {
        let text = |n: &IpNet| {
            if n.prefix_len() == n.max_prefix_len() { n.addr().to_string() } else { n.to_string() }
        };
        self.0.iter().map(text).collect()
    }
}

/// Whether an address lies in a network: they differ in no bit of the prefix. `IpNet::contains` computes both ends of
/// the network each time; this is asked of every entry on every request.
fn holds(network: &IpNet, address: IpAddr) -> bool {
    let rest = u32::from(network.max_prefix_len() - network.prefix_len());
    match (network, address) {
        (IpNet::V4(network), IpAddr::V4(address)) => {
            let differing = u32::from(network.addr()) ^ u32::from(address);
            differing.checked_shr(rest).unwrap_or(0) == 0
        }
        (IpNet::V6(network), IpAddr::V6(address)) => {
            let differing = u128::from(network.addr()) ^ u128::from(address);
            differing.checked_shr(rest).unwrap_or(0) == 0
        }
        _ => false,
    }
}

fn parse_network(text: &str) -> Option<IpNet> {
    let network = match text.split_once('/') {
        // `parse` takes "1.2.3.4/+8" or "/08" otherwise: two texts for one network.
        Some((_, length)) if !is_prefix_text(length) => return None,
        Some(_) => text.parse::<IpNet>().ok()?,
        None => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    Some(unmap(network).trunc())
}

fn is_prefix_text(text: &str) -> bool {
    matches!(text.len(), 1..=3)
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

/// `::ffff:a.b.c.d/96+n` is the IPv4 network `a.b.c.d/n` (RFC 4291 section 2.5.5.2).
fn unmap(network: IpNet) -> IpNet {
    match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => Ipv4Net::new(v4, v6.prefix_len() - 96).map_or(network, IpNet::V4),
            None => network,
        },
        other => other,
    }
}

/// The address as rules see it: a v4-mapped v6 peer is its IPv4 self.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// What failures are charged to: an IPv4 address, or an IPv6 /64, the least that one host is given (RFC 6177).
#[must_use]
pub fn source_of(address: IpAddr) -> IpAddr {
    match canonical(address) {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Net::new(v6, 64).map_or(v6, |network| network.trunc().addr())),
    }
}

/// True for addresses that only this machine can use: links may then follow the request's own host.
#[must_use]
pub fn is_loopback(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(v4) => v4 == Ipv4Addr::LOCALHOST || v4.is_loopback(),
        IpAddr::V6(v6) => v6 == Ipv6Addr::LOCALHOST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(list: &[&str], address: &str, admitted: bool) {
        let list = Allowlist::parse(list.iter().copied()).unwrap();
        assert_eq!(list.admits(address.parse().unwrap()), admitted, "{list:?} {address}");
    }

    #[test]
    fn an_allowlist_admits_its_addresses_and_networks_in_every_spelling() {
        check(&[], "8.8.8.8", true);
        check(&["203.0.113.45"], "203.0.113.45", true);
        check(&["203.0.113.45, 10.0.0.0/8"], "10.9.8.7", true);
        check(&["203.0.113.45"], "203.0.113.46", false);
        check(&["192.168.1.77/24"], "192.168.1.1", true);
        check(&["2001:db8::1"], "2001:DB8:0::1", true);
        check(&["2001:db8::/32"], "2001:db9::1", false);
        check(&["1.2.3.4"], "::ffff:1.2.3.4", true);
        check(&["::ffff:1.2.3.0/120"], "1.2.3.200", true);
        check(&["0.0.0.0/0"], "::1", false);
    }

    #[test]
    fn entries_that_could_mean_two_things_are_refused() {
        for entry in [
            "",
            " ",
            ",",
            "010.0.0.1",
            "1.2.3.4/33",
            "::1/129",
            "fe80::1%eth0",
            "1.2.3",
            "host",
            "1.2.3.4/",
            "1.2.3.4/+8",
            "1.2.3.4/08",
            "1.2.3.4/-1",
            "1.2.3.4/8/8",
            "*",
        ] {
            assert!(Allowlist::parse([entry]).is_err(), "{entry}");
        }
    }

    proptest! {
        #[test]
        fn a_mapped_peer_is_admitted_exactly_when_its_v4_self_is(address: u32, network: u32, length in 0u8..=32) {
            let list = Allowlist::parse([format!("{}/{length}", Ipv4Addr::from(network)).as_str()]).unwrap();
            let v4 = Ipv4Addr::from(address);
            prop_assert_eq!(list.admits(IpAddr::V4(v4)), list.admits(IpAddr::V6(v4.to_ipv6_mapped())));
        }

        #[test]
        fn a_network_holds_what_the_library_says_it_contains(
            network: u128, near in any::<prop::sample::Index>(), other: u128,
            length in prop_oneof![Just(0u8), Just(32), Just(128), 0u8..=128], v4: (bool, bool),
        ) {
            let net = |bits: u128| match v4.0 {
                true => Ipv4Net::new(Ipv4Addr::from(bits as u32), length.min(32)).unwrap().into(),
                false => IpNet::from(Ipv6Net::new(Ipv6Addr::from(bits), length).unwrap()),
            };
            let address = |bits: u128| match v4.1 {
                true => IpAddr::from(Ipv4Addr::from(bits as u32)),
                false => IpAddr::from(Ipv6Addr::from(bits)),
            };
            for bits in [network, network ^ (1 << near.index(128)), other] {
                prop_assert_eq!(holds(&net(network), address(bits)), net(network).contains(&address(bits)));
            }
        }

        #[test]
        fn a_list_of_networks_is_the_list_of_their_texts(
            networks in prop::collection::vec((any::<u32>(), 0u8..=32, 0u8..3), 0..5),
        ) {
            let net = |(bits, length, form): (u32, u8, u8)| match form {
                0 => IpNet::from(Ipv4Net::new(Ipv4Addr::from(bits), length).unwrap()),
                1 => Ipv6Net::new(Ipv4Addr::from(bits).to_ipv6_mapped(), 96 + length).unwrap().into(),
                _ => Ipv6Net::new(Ipv6Addr::from(u128::from(bits) << 96), length).unwrap().into(),
            };
            let networks: Vec<IpNet> = networks.into_iter().map(net).collect();
            let texts: Vec<String> = networks.iter().map(IpNet::to_string).collect();
            prop_assert_eq!(Allowlist::of(networks), Allowlist::parse(texts.iter().map(String::as_str)));
        }
    }
}
