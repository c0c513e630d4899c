//! Fixed seeds run to their ends, and a seed is a run.

#[test]
fn seeds_run_to_their_ends() {
    for seed in 1..=20 {
        if let Err(failure) = sim::run(seed, 800) {
            panic!("{failure}");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let first = sim::run(7, 500).unwrap();
    let second = sim::run(7, 500).unwrap();
    for (a, b) in first.iter().zip(&second) {
        assert_eq!(a, b);
    }
    assert_eq!(first.len(), second.len());
}
