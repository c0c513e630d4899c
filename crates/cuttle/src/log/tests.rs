//! How much is told, and what an operator makes of it while a process runs.

use std::io::Write;

use tracing_subscriber::fmt::MakeWriter;

use super::*;

fn targets(text: &str) -> Targets {
    text.parse().unwrap()
}

#[test]
fn a_prefix_counts_for_all_that_begins_so() {
    let check = |before: &str, (prefix, level): (&str, Level), expected: &[(&str, &str)]| {
        let new = with(&targets(before), prefix, level).unwrap();
        for (target, level) in expected {
            assert_eq!(
                level_of(&new, target).to_string(),
                *level,
                "{before} with {prefix} {level}: {target}"
            );
        }
        new
    };
    check("info", ("rest", Level::DEBUG), &[("rest", "debug"), ("rest::body", "debug"), ("store", "info")]);
    check("info,rest::body=trace", ("rest", Level::WARN), &[("rest::body", "warn"), ("rest", "warn")]);
    check("info,rest=trace", ("rest::body", Level::ERROR), &[("rest::body", "error"), ("rest", "trace")]);
    check(
        "warn,rest=trace,store=off",
        ("", Level::INFO),
        &[("rest", "info"), ("store", "info"), ("x", "info")],
    );
    check("rest=info", ("store", Level::DEBUG), &[("store", "debug"), ("rest", "info"), ("x", "off")]);
    // What comes of a prefix anyway is not kept.
    let new = check("info,rest=debug", ("rest", Level::INFO), &[("rest", "info")]);
    assert_eq!(new.iter().count(), 0);
}

#[test]
fn prefixes_have_a_bound() {
    let mut kept = targets("info");
    for at in 0..PREFIXES_MAX {
        kept = with(&kept, &format!("t{at:03}"), Level::DEBUG).unwrap();
    }
    assert!(with(&kept, "one_more", Level::DEBUG).unwrap_err().contains("set a shorter one"));
    let kept = with(&kept, "t0", Level::WARN).unwrap();
    assert_eq!(level_of(&kept, "t042").to_string(), "warn");
}

/// What was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Told {
    type Writer = Told;

    fn make_writer(&'w self) -> Told {
        self.clone()
    }
}

#[test]
fn a_process_tells_more_or_less_while_it_runs() {
    let (told, log) = (Told::default(), Log::of(targets("info")));
    let layer = tracing_subscriber::fmt::layer().with_writer(told.clone()).with_ansi(false);
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(log.clone()));
    let tell = || {
        tracing::debug!(target: "cuttle_test::one", "a little");
        tracing::warn!(target: "cuttle_test::two", "much");
        let text = String::from_utf8(std::mem::take(&mut *told.0.lock().unwrap())).unwrap();
        ["a little", "much"].map(|words| text.contains(words))
    };
    let level = |name: &str| log.levels("cuttle_test").get(name).map(ToString::to_string);
    tracing::subscriber::with_default(subscriber, || {
        assert_eq!(tell(), [false, true]);
        assert_eq!(level("cuttle_test::two").as_deref(), Some("info"));
        log.set("cuttle_test::one", Level::DEBUG).unwrap();
        assert_eq!(tell(), [true, true]);
        assert_eq!(level("cuttle_test::one").as_deref(), Some("debug"));
        log.set("cuttle_test", Level::ERROR).unwrap();
        assert_eq!(tell(), [false, false]);
        log.set("", Level::DEBUG).unwrap();
        assert_eq!(tell(), [true, true]);
        assert_eq!(log.levels("cuttle_test").len(), 2);
        assert_eq!(log.levels("nothing"), BTreeMap::new());
    });
}
