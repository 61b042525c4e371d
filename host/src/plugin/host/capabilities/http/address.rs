//! The addresses that a granted host name may resolve to: public ones, and those that the grant adds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The addresses that a grant allows beside public ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// Also private networks (10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7). Not this machine, not link-local
    /// addresses, and no credential services.
    pub private: bool,
    /// Also these ranges, without exceptions.
    pub ranges: Vec<IpNet>,
}

impl Reach {
    /// Returns whether a connection to `address` may be opened.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        let address = meant(address);
        self.ranges.iter().any(|range| range.contains(&address))
            || is_public(address)
            || self.private && is_private(address)
    }
}

/// Returns the address that packets reach. An IPv6 address can contain or be translated to an IPv4 address.
pub(super) fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else { return address.to_canonical() };
    match v6.segments() {
        // NAT64: machines without IPv4 reach all of IPv4 with it.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        _ => IpAddr::V6(v6),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// Private networks of organisations and carriers.
const PRIVATE_V4: [Ipv4Net; 4] =
    [v4(10, 0, 0, 0, 8), v4(100, 64, 0, 0, 10), v4(172, 16, 0, 0, 12), v4(192, 168, 0, 0, 16)];
const PRIVATE_V6: Ipv6Net = v6(0xfc00, 0, 7);

/// All other IPv4 ranges that are not hosts on the internet, by the IANA special-purpose registry: this network,
/// loopback, link-local, protocol assignments, documentation, relays, benchmarks, multicast, reserved and broadcast.
const SPECIAL_V4: [Ipv4Net; 11] = [
    v4(0, 0, 0, 0, 8),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// The allocated part of IPv6. It contains protocol assignments (such as Teredo), documentation, and 6to4, which can
/// reach any IPv4 address.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);
const SPECIAL_V6: [Ipv6Net; 4] = [v6(0x2001, 0, 23), v6(0x2001, 0xdb8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];

/// Credential services of clouds that are documented outside of the link-local range.
const CREDENTIALS_V4: [Ipv4Addr; 2] = [
    // Alibaba Cloud, instance metadata.
    Ipv4Addr::new(100, 100, 100, 200),
    // Azure, WireServer: certificates and extension settings.
    Ipv4Addr::new(168, 63, 129, 16),
];
const CREDENTIALS_V6: [Ipv6Net; 6] = [
    // AWS: instance metadata (fd00:ec2::254), EKS Pod Identity (fd00:ec2::23), and its other services in this range.
    v6(0xfd00, 0xec2, 32),
    // Google Cloud, metadata server: fd20:ce::254.
    v6(0xfd20, 0xce, 64),
    // Oracle Cloud, instance metadata: fd00:c1::a9fe:a9fe.
    v6(0xfd00, 0xc1, 64),
    // Scaleway, instance metadata: fd00:42::42.
    v6(0xfd00, 0x42, 64),
    // Alibaba Cloud, instance metadata: fd00:100::100:200.
    v6(0xfd00, 0x100, 64),
    // Akamai (Linode), metadata service: fd00:a9fe:a9fe::1.
    v6(0xfd00, 0xa9fe, 32),
];

fn is_of_credentials(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => CREDENTIALS_V4.contains(&v4),
        IpAddr::V6(v6) => CREDENTIALS_V6.iter().any(|range| range.contains(&v6)) || is_translated_link(v6),
    }
}

/// Returns whether a private IPv6 address ends with an IPv4 address that is never allowed. Translators of private
/// networks (NAT64 with their own prefix) and clouds write link-local IPv4 addresses like this.
fn is_translated_link(address: Ipv6Addr) -> bool {
    let [.., a, b, c, d] = address.octets();
    let ending = Ipv4Addr::new(a, b, c, d);
    PRIVATE_V6.contains(&address) && (ending.is_link_local() || CREDENTIALS_V4.contains(&ending))
}

fn is_public(address: IpAddr) -> bool {
    if is_of_credentials(address) {
        return false;
    }
    match address {
        IpAddr::V4(v4) => !PRIVATE_V4.iter().chain(&SPECIAL_V4).any(|range| range.contains(&v4)),
        IpAddr::V6(v6) => GLOBAL_V6.contains(&v6) && !SPECIAL_V6.iter().any(|range| range.contains(&v6)),
    }
}

fn is_private(address: IpAddr) -> bool {
    if is_of_credentials(address) {
        return false;
    }
    match address {
        IpAddr::V4(v4) => PRIVATE_V4.iter().any(|range| range.contains(&v4)),
        IpAddr::V6(v6) => PRIVATE_V6.contains(&v6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed<'a>(reach: &Reach, addresses: &[&'a str]) -> Vec<&'a str> {
        addresses.iter().copied().filter(|address| reach.allows(address.parse().unwrap())).collect()
    }

    const PUBLIC: [&str; 6] =
        ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"];
    const PRIVATE: [&str; 7] =
        ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"];
    const NEVER: [&str; 29] = [
        "0.0.0.0",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.255.255",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "fe80::1",
        "fec0::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
    ];

    /// Credential services, from the documentation of their providers.
    const CREDENTIALS: [(&str, &str); 21] = [
        ("AWS instance metadata", "169.254.169.254"),
        ("AWS instance metadata", "fd00:ec2::254"),
        ("AWS ECS task credentials", "169.254.170.2"),
        ("AWS EKS Pod Identity", "169.254.170.23"),
        ("AWS EKS Pod Identity", "fd00:ec2::23"),
        ("Google Cloud metadata", "fd20:ce::254"),
        ("Google Kubernetes Engine metadata", "169.254.169.252"),
        ("Azure WireServer", "168.63.129.16"),
        ("Azure App Service", "169.254.130.1"),
        ("Oracle Cloud metadata", "fd00:c1::a9fe:a9fe"),
        ("Oracle Cloud Classic metadata", "192.0.0.192"),
        ("Alibaba Cloud metadata", "100.100.100.200"),
        ("Alibaba Cloud metadata", "fd00:100::100:200"),
        ("Scaleway metadata", "169.254.42.42"),
        ("Scaleway metadata", "fd00:42::42"),
        ("Akamai metadata", "fd00:a9fe:a9fe::1"),
        ("Tencent Cloud metadata", "169.254.0.23"),
        ("OpenStack, Hetzner, Huawei metadata", "fe80::a9fe:a9fe"),
        ("the link, behind a translator of one's own", "fd12:3456::a9fe:a9fe"),
        ("the link, behind a translator of one's own", "64:ff9b:1::a9fe:a9fe"),
        ("Alibaba Cloud, behind a translator of one's own", "fd12:3456::6464:64c8"),
    ];

    #[test]
    fn no_grant_of_private_networks_leads_to_credentials() {
        let reach = Reach { private: true, ..Reach::default() };
        for (service, address) in CREDENTIALS {
            assert!(!reach.allows(address.parse().unwrap()), "{service}: {address}");
            assert!(!Reach::default().allows(address.parse().unwrap()), "{service}: {address}");
            // An explicit range allows it.
            let listed = Reach { ranges: vec![address.parse::<IpAddr>().unwrap().into()], ..Reach::default() };
            assert!(listed.allows(address.parse().unwrap()), "{service}: {address}");
        }
        let neighbours = ["fd00:ec3::254", "fd20:cf::254", "fd00:c2::1", "100.100.100.201", "fd12:3456::a9fd:1"];
        assert_eq!(allowed(&reach, &neighbours), neighbours);
    }

    #[test]
    fn a_name_leads_to_the_public_internet_alone() {
        let reach = Reach::default();
        assert_eq!(allowed(&reach, &PUBLIC), PUBLIC);
        assert_eq!(allowed(&reach, &PRIVATE), [""; 0]);
        assert_eq!(allowed(&reach, &NEVER), [""; 0]);
    }

    #[test]
    fn private_networks_are_neither_this_machine_nor_its_credentials() {
        let reach = Reach { private: true, ..Reach::default() };
        assert_eq!(allowed(&reach, &PRIVATE), PRIVATE);
        assert_eq!(allowed(&reach, &NEVER), [""; 0]);
    }

    #[test]
    fn a_range_that_is_listed_is_listed_in_every_spelling() {
        let ranges = vec!["127.0.0.2/32".parse().unwrap(), "fd00:ec2::/64".parse().unwrap()];
        let reach = Reach { ranges, ..Reach::default() };
        let spelled = ["127.0.0.2", "::ffff:127.0.0.2", "fd00:ec2::254"];
        assert_eq!(allowed(&reach, &spelled), spelled);
        assert_eq!(allowed(&reach, &["127.0.0.1", "10.0.0.1", "::1"]), [""; 0]);
    }
}
