//! Which addresses pass.

use super::address::is_public;
use super::filter::ImportFiltering;

#[test]
fn only_the_public_internet_is_public() {
    let check = |address: &str, expected: bool| {
        assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
    };
    for public in ["1.1.1.1", "193.0.14.129", "2a00:1450:4001::1", "2606:4700::1111", "64:ff9b::101:101"] {
        check(public, true);
    }
    for other in [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001::1",
        "2001:db8::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        check(other, false);
    }
}

#[test]
fn addresses_are_read_narrowly() {
    let filtering = ImportFiltering::default();
    let check = |uri: &str, expected: Option<(&str, u16)>| {
        let target = filtering.target(uri);
        let found = target.as_ref().map(|target| (target.host.as_str(), target.port));
        assert_eq!(found, expected, "{uri}");
    };
    check("http://a.example", Some(("a.example", 80)));
    check("HTTPS://A.Example./x?y#z", Some(("a.example", 443)));
    check("http://a.example:443/", Some(("a.example", 443)));
    check("http://a.example:/", Some(("a.example", 80)));
    check("http://10.0.0.1/", Some(("10.0.0.1", 80)));
    check("http://[2a00::1]/", Some(("2a00::1", 80)));
    check("http://[2a00::1]:443/", Some(("2a00::1", 443)));
    for bad in [
        "",
        "a.example",
        "//a.example",
        "ftp://a.example",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://a.example:22/",
        "http://a.example:0/",
        "http://a.example:99999/",
        "http://a@b.example/",
        "http://a.example\\@b.example/",
        "http://a.example /",
        "http://a.example\r\nhost: b/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://a.example.1/",
        "http://[::1/",
        "http://[a.example]/",
        "http://[::1]x/",
        "http://a..example/",
        "http://ä.example/",
        "http://a.example:8080",
    ] {
        check(bad, None);
    }
}

#[test]
fn what_is_allowed_goes_before_what_is_not() {
    let hosts = |allowed: &[&str], disallowed: &[&str]| ImportFiltering {
        allowed_hosts: allowed.iter().map(|host| (*host).to_owned()).collect(),
        disallowed_hosts: disallowed.iter().map(|host| (*host).to_owned()).collect(),
        ..ImportFiltering::default()
    };
    let passes =
        |filtering: &ImportFiltering, host: &str| filtering.target(&format!("http://{host}/")).is_some();
    let both = hosts(&["a.example"], &["a.example", "b.example"]);
    assert!(passes(&both, "a.example") && !passes(&both, "c.example"));
    let some = hosts(&[], &["b.example"]);
    assert!(passes(&some, "a.example") && !passes(&some, "B.example."));
    let plain = ImportFiltering {
        disallowed_schemes: vec!["http".to_owned()],
        allowed_schemes: vec![],
        ..hosts(&[], &[])
    };
    assert!(plain.target("https://a.example").is_some() && plain.target("http://a.example").is_none());
}
