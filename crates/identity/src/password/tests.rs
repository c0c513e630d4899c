//! Forms of hashes, the work of a comparison, and who waits for whom.

use std::net::IpAddr;
use std::sync::mpsc::channel;

use super::hash::{is_of, make, padding, verify};
use super::line::{ALL_MAX, Asker, Line, ORIGIN_MAX, Origin, USER_MAX};
use super::threads::Threads;

/// What passlib made of `Gruß & Kuß`, but for the cost as Keystone has it do.
const OF_PASSLIB: [&str; 9] = [
    "$2b$04$AIT4jupHLvGAGTspHCDr0OidBARbdUjg8qCo8GQT1qnMc/cCW0WVG",
    "$2a$05$UCy2y6aeueJT98MZIrQfb.sI13jjD/AACC1e1dGxsVIRbQs7J.Qji",
    "$2y$04$mlXmp8I0o1CDZA/hoRIiT.y3ckcRMhlTPkepVpproSHLS4bkI55vK",
    "$bcrypt-sha256$v=2,t=2b,r=4$F52ALejyKN4/dNmsFsCYWO$.PucZ05YxslWERylbbNQPGDfm8pU/F6",
    "$bcrypt-sha256$2b,4$5rSZ7X2ejy2gn4lh1zoAye$ZgD82tIe/dh/ESih2WOdDgPrGdZMhNS",
    "$scrypt$ln=10,r=8,p=1$CoEwZizlfO+d0/ofA0BIaQ$rLTAO3EXUM1uHZoQFYevx19Xq5As1AGakzug6FNG2vs",
    "$scrypt$ln=16,r=8,p=1$ifH+P0eo1VoLISTE2HuPMQ$YZjDyAPyWA+O5Hg/ReVnIEKF3gTOZFLhaIHdzYk9UfY",
    "$pbkdf2-sha512$1000$bQ2B0Nrbm/OekzKGUMp5rw$8wZ175tK8Qtbuzm/clCQ4cfRulO9JmD9RaIiFsh3zA/e4crkCoefo.6zXOLcnuJoGl/3I2AQ6OduYNrq/P1fbQ",
    "$pbkdf2-sha512$25000$n3POGSMEoPR.773XWouxdg$qqV5GH.4AWhqs1ju9KwgYVZMGABAOXApUoYmdNmxrDk5OIdoJH2Gb/Ll07B0C/XipvsH.jdvirNk4irGDOsBZQ",
];

#[test]
fn hashes_of_a_real_passlib_are_read() {
    for stored in OF_PASSLIB {
        assert!(is_of("Gruß & Kuß", stored), "{stored}");
        assert!(!is_of("Gruss & Kuss", stored), "{stored}");
    }
}

#[test]
fn bcrypt_counts_72_bytes_as_keystone_does() {
    let (stored, start) = ("$2b$04$0tB.63LVyRDj/Kwq9ttiaOCxiFrPpJCTHz9K3eBeAoYlZsqOA5BF2", "x".repeat(72));
    assert!(is_of(&format!("{start}tail"), stored));
    assert!(is_of(&start, stored));
    assert!(!is_of(&start[1..], stored));
    let own = make(&format!("{start}one"), 4).unwrap();
    assert!(own.starts_with("$2b$04$") && own.len() == 60, "{own}");
    assert!(is_of(&format!("{start}two"), &own));
    // A letter may be cut in the middle.
    let umlauts = format!("x{}", "ü".repeat(40));
    assert!(is_of(&umlauts, &make(&umlauts, 4).unwrap()));
}

#[test]
fn what_is_no_hash_is_nobody_s() {
    let broken = [
        "",
        "$",
        "plain",
        "$2b$04$short",
        "$2b$xx$AIT4jupHLvGAGTspHCDr0OidBARbdUjg8qCo8GQT1qnMc/cCW0WVG",
        "$9z$04$AIT4jupHLvGAGTspHCDr0OidBARbdUjg8qCo8GQT1qnMc/cCW0WVG",
        "$bcrypt-sha256$v=2,t=2b,r=4$short$x",
        "$scrypt$ln=63,r=8,p=1$CoEwZizlfO+d0/ofA0BIaQ$rLTAO3EXUM1uHZoQFYevx19Xq5As1AGakzug6FNG2vs",
        "$scrypt$ln=10,r=8,p=1$CoEwZizlfO+d0/ofA0BIaQ$",
        "$scrypt$ln=10$$",
        "$pbkdf2-sha512$4000000000$bQ2B$8wZ1",
        "$pbkdf2-sha512$1$bQ2B$",
        "ü$2b$04$",
    ];
    for stored in broken {
        assert!(!is_of("", stored) && !verify("x", Some(stored), 4), "{stored}");
    }
}

#[test]
fn no_user_a_cheap_hash_and_a_usual_one_are_the_same_work() {
    let work = |stored: Option<&str>, own: Option<u32>| -> u64 {
        padding(stored, 12).chain(own).map(|cost| 1 << cost).sum()
    };
    let bcrypt = |cost: u32| format!("$2b${cost:02}$AIT4jupHLvGAGTspHCDr0OidBARbdUjg8qCo8GQT1qnMc/cCW0WVG");
    let whole = 1 << 12;
    assert_eq!(work(None, None), whole);
    for cost in 4..=12 {
        assert_eq!(work(Some(&bcrypt(cost)), Some(cost)), whole, "{cost}");
    }
    assert_eq!(work(Some(OF_PASSLIB[3]), Some(4)), whole);
    assert_eq!(work(Some("no hash at all"), None), whole);
    assert_eq!(work(Some(&bcrypt(13)), Some(13)), 2 * whole, "what is dearer is not made cheaper");
    assert!(padding(Some(OF_PASSLIB[5]), 12).is_empty());
}

fn asker(address: &str, user: &str) -> Asker {
    Asker { origin: Origin::of(Some(address.parse::<IpAddr>().unwrap())), user: user.to_owned() }
}

#[test]
fn addresses_take_turns() {
    let mut line = Line::new();
    for n in 0..5 {
        assert!(line.join(asker("192.0.2.1", "flooded"), n));
    }
    assert!(line.join(asker("192.0.2.2", "patient"), 100));
    assert!(line.join(asker("192.0.2.2", "patient"), 101));
    let mut order = Vec::new();
    while let Some((asker, job)) = line.next() {
        order.push(job);
        line.leave(&asker);
    }
    assert_eq!(order, [0, 100, 1, 101, 2, 3, 4]);
}

#[test]
fn nobody_fills_the_line() {
    let mut line = Line::new();
    let mut one_user = 0;
    while line.join(asker(&format!("192.0.2.{}", one_user + 1), "flooded"), ()) {
        one_user += 1;
    }
    assert_eq!(one_user, USER_MAX, "from wherever");
    // One network's 64 bits are one client's to choose from.
    let mut one_address = 0;
    while line.join(asker(&format!("2001:db8::{one_address:x}"), &one_address.to_string()), ()) {
        one_address += 1;
    }
    assert_eq!(one_address, ORIGIN_MAX, "for whomever");
    assert!(line.join(asker("2001:db8:0:1::1", "else"), ()), "but somebody else comes in");
    let (served, ()) = line.next().unwrap();
    assert!(!line.join(served.clone(), ()), "being served counts");
    line.leave(&served);
    assert!(line.join(served, ()));
    let mut all = one_user + one_address + 1;
    while line.join(asker(&format!("198.51.100.{}", all % 256), &format!("u{all}")), ()) {
        all += 1;
    }
    assert_eq!(all, ALL_MAX);
}

#[test]
fn threads_outlive_a_panic_and_not_their_owner() {
    let threads = Threads::start(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let panicked = runtime.block_on(threads.run(asker("192.0.2.1", "u"), || panic!("no more")));
    assert!(matches!(panicked, Err::<(), _>(crate::Error::Internal(_))));
    assert_eq!(runtime.block_on(threads.run(asker("192.0.2.1", "u"), || 7)).unwrap(), 7);
    let (held, holds) = channel::<()>();
    runtime.block_on(threads.run(asker("192.0.2.1", "u"), move || drop(held))).unwrap();
    drop(threads);
    assert!(holds.recv().is_err());
}
