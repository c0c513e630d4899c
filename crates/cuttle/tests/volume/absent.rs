//! What is not built: each command answers as one of OpenStack does for what is absent. `docs/not-built.md` lists them.

use crate::client::Client;

/// The commands, and what they say.
const NOT_BUILT: &[(&str, &str)] = &[
    // There is no other site to fail over to.
    ("volume host failover vm@local --volume-backend elsewhere", "404"),
];

pub fn all(admin: &mut Client) {
    for (line, why) in NOT_BUILT {
        let said = admin.fail(line);
        assert!(said.contains(why), "{line}: {said}");
    }
}
