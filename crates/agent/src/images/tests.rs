//! Images that take their time.

use std::sync::mpsc::{Sender, channel};

use types::{ImageId, VolumeId};

use super::{AT_ONCE, Images};
use crate::trouble::Trouble;

fn trouble(words: &str) -> Trouble {
    words.to_owned().into()
}

fn of(volume: usize, image: usize) -> (VolumeId, ImageId) {
    let id = |n: usize| uuid::Uuid::from_u128(n as u128);
    (VolumeId(id(volume)), ImageId(id(image)))
}

/// Asks about an image that is prepared once something is sent.
fn ask(
    images: &mut Images,
    about: (VolumeId, ImageId),
) -> (Result<bool, Trouble>, Sender<Result<(), Trouble>>) {
    let (sender, receiver) = channel();
    let prepare = move || receiver.recv().unwrap_or_else(|_| Err(trouble("nobody says so")));
    (images.ready(about, || Ok(false), prepare), sender)
}

/// Asks until it is over.
fn end(images: &mut Images, about: (VolumeId, ImageId)) -> Result<bool, Trouble> {
    let began = runtime::monotonic();
    loop {
        match images.ready(about, || panic!("it is known"), || panic!("it goes on")) {
            Ok(false) => assert!(began.elapsed().as_secs() < 60, "there is no end to it"),
            over => return over,
        }
    }
}

#[test]
fn a_slow_image_is_prepared_beside() {
    let mut images = Images::default();
    let (ready, finish) = ask(&mut images, of(1, 1));
    assert_eq!(ready, Ok(false));
    // Another volume of the same image waits; it finds the image ready then.
    assert_eq!(ask(&mut images, of(2, 1)).0, Ok(false));
    finish.send(Ok(())).unwrap();
    assert_eq!(end(&mut images, of(1, 1)), Ok(true));
    assert_eq!(images.ready(of(2, 1), || Ok(true), || panic!("it is prepared")), Ok(true));
}

#[test]
fn a_failure_is_told_once() {
    let mut images = Images::default();
    let (_, finish) = ask(&mut images, of(1, 1));
    finish.send(Err(trouble("no room"))).unwrap();
    assert_eq!(end(&mut images, of(1, 1)), Err(trouble("no room")));
    let (again, finish) = ask(&mut images, of(1, 1));
    assert_eq!(again, Ok(false));
    finish.send(Ok(())).unwrap();
    assert_eq!(end(&mut images, of(1, 1)), Ok(true));
}

#[test]
fn what_nobody_asks_about_any_more_makes_room() {
    let mut images = Images::default();
    let begun: Vec<_> = (0..AT_ONCE).map(|n| ask(&mut images, of(n, n)).1).collect();
    let other = of(AT_ONCE, AT_ONCE);
    ask(&mut images, other).0.unwrap();
    assert!(!images.0.contains_key(&other.0), "it waits");
    begun.into_iter().for_each(|finish| finish.send(Ok(())).unwrap());
    let began = runtime::monotonic();
    while !images.0.contains_key(&other.0) {
        assert!(began.elapsed().as_secs() < 60, "it waits for ever");
        ask(&mut images, other).0.unwrap_or_default();
    }
}
