//! What is not built: each command answers as one of OpenStack does for what is absent. `docs/not-built.md` lists them.

use crate::client::Client;

/// The commands, and what they say.
const NOT_BUILT: &[(&str, &str)] = &[
    // What lies on a backend already is neither taken in nor let go.
    ("block storage volume manageable list vm@local#local", "404"),
    ("block storage snapshot manageable list vm@local#local", "404"),
    ("volume create --remote-source source-name=x --host vm@local#local none", "404"),
    ("volume snapshot create --remote-source source-name=x --volume reef none", "404"),
    ("volume delete --remote reef", "There is no such action: os-unmanage"),
    ("volume snapshot delete --remote shot", "There is no such action: os-unmanage"),
    // Levels of logs are set where a cloud is started.
    ("block storage log level list", "404"),
    ("block storage log level set INFO", "404"),
    // There is no other site to fail over to, and no work that somebody has to clean up after.
    ("volume host failover vm@local --volume-backend elsewhere", "404"),
    ("block storage cleanup --host vm@local --binary cinder-volume --cluster none", "404"),
];

pub fn all(admin: &mut Client) {
    admin.run("volume create --size 1 reef");
    admin.once("volume show reef", "available");
    admin.run("volume snapshot create --volume reef shot");
    admin.once("volume snapshot show shot", "available");
    for (line, why) in NOT_BUILT {
        let said = admin.fail(line);
        assert!(said.contains(why), "{line}: {said}");
    }
    admin.once("volume snapshot show shot", "available");
    admin.run("volume delete --cascade reef");
    admin.until_gone("volume list", "reef");
}
