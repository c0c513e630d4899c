//! kill -9 of the control plane and of the agent in the middle of everything.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};

use super::cloud::{Cloud, LONG, Who, text, wait};
use super::cloud_test;

/// How many kills; all the time that there is allows for more.
const ROUNDS: (usize, usize) = (8, 60);
/// The longest time between the first request of a round and the kill.
const DELAY_MS_MAX: u64 = 700;
const SEED: u64 = 7;
const SERVERS_MAX: usize = 3;
/// A ping may be on its way when the guest is made or the pinging ends.
const PINGS_LOST_MAX: u32 = 3;

/// Chance that repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What users were promised.
#[derive(Default)]
struct Promises {
    /// What was made and not yet removed: its path, and the status it must come to.
    there: BTreeMap<String, Option<(&'static str, &'static str)>>,
    /// What was removed.
    gone: BTreeSet<String>,
}

/// What the user of a round works with.
struct User<'c> {
    cloud: &'c Cloud,
    server: Json,
    public: Json,
}

impl User<'_> {
    /// One request by chance. No answer means that nothing was promised.
    fn act(&self, dice: &mut Dice, promises: &mut Promises) -> Option<()> {
        let there: Vec<String> = promises.there.keys().cloned().collect();
        let roll = dice.roll(10);
        if roll < 4 && !there.is_empty() {
            let path = &there[usize::try_from(dice.roll(there.len() as u64)).unwrap()];
            // Whatever comes of it, it is not promised to stay any more.
            let asked = self.cloud.ask(Who::Demo, "DELETE", path, None);
            // What is still being made may refuse to go.
            let refused = matches!(asked, Some((400 | 409, _)));
            if !refused {
                promises.there.remove(path);
            }
            let (status, said) = asked?;
            assert!(matches!(status, 202 | 204 | 400 | 409), "DELETE {path}: {status}: {said}");
            if !refused {
                promises.gone.insert(path.clone());
            }
            return Some(());
        }
        let servers = there.iter().filter(|path| path.contains("/servers/")).count();
        let project = self.cloud.project(Who::Demo);
        let (collection, key, body, status) = match roll {
            4 | 5 if servers < SERVERS_MAX => (
                "/compute/v2.1/servers".to_owned(),
                "server",
                self.server.clone(),
                Some(("server", "ACTIVE")),
            ),
            4..=7 => {
                let body = json!({"volume": {"size": 1, "name": "churn"}});
                (format!("/volume/v3/{project}/volumes"), "volume", body, Some(("volume", "available")))
            }
            8 => {
                let body = json!({"floatingip": {"floating_network_id": self.public}});
                ("/network/v2.0/floatingips".to_owned(), "floatingip", body, None)
            }
            _ => {
                let body = json!({"network": {"name": "churn"}});
                ("/network/v2.0/networks".to_owned(), "network", body, None)
            }
        };
        let (code, made) = self.cloud.ask(Who::Demo, "POST", &collection, Some(&body))?;
        // Quotas may be used up.
        if matches!(code, 403 | 409 | 413) {
            return Some(());
        }
        assert!(matches!(code, 200..=202), "POST {collection}: {code}: {made}");
        promises.there.insert(format!("{collection}/{}", text(&made[key]["id"])), status);
        if key == "network" {
            let cidr = format!("10.{}.0.0/24", dice.roll(200));
            let subnet = json!({"subnet": {"network_id": made[key]["id"], "ip_version": 4, "cidr": cidr}});
            self.cloud.ask(Who::Demo, "POST", "/network/v2.0/subnets", Some(&subnet))?;
        }
        Some(())
    }
}

impl Promises {
    /// Waits until all of it is kept.
    fn assert_kept(&self, cloud: &Cloud) {
        for (path, status) in &self.there {
            wait(&format!("{path} is {status:?}"), LONG, || {
                let (code, said) = cloud.ask(Who::Demo, "GET", path, None)?;
                assert_eq!(code, 200, "{path} was made and is lost: {said}");
                let Some((key, status)) = status else { return Some(()) };
                let now = &said[key]["status"];
                assert!(!now.as_str().unwrap().to_lowercase().contains("error"), "{path}: {said}");
                (now == status).then_some(())
            });
        }
        for path in &self.gone {
            wait(&format!("{path} is gone"), LONG, || {
                let (code, _) = cloud.ask(Who::Demo, "GET", path, None)?;
                (code == 404).then_some(())
            });
        }
    }
}

/// Pings an address from the external network without a pause.
fn ping(cloud: &Cloud, address: &str) -> Child {
    Command::new("ip")
        .args(["netns", "exec", &format!("{}-x", cloud.id), "ping", "-n", "-q", "-i", "0.2", address])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Ends it: how many were sent, and how many answered.
fn pinged(pinging: Child) -> (u32, u32) {
    kill(Pid::from_raw(pinging.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let said = pinging.wait_with_output().unwrap().stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    let line = said.lines().find(|line| line.contains("packets transmitted")).unwrap();
    let mut numbers = line.split(' ').filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    cloud_test!("what_was_acknowledged_survives_kill_9_at_any_moment");
    let mut cloud = Cloud::new();
    let (image, network) = (cloud.upload("blank", "raw", &vec![0; 1 << 20]), cloud.network(Who::Demo));
    let witness = cloud.server_body("witness", &cloud.guest_image(), &network);
    let witness = text(&cloud.post("/compute/v2.1/servers", &witness)["server"]["id"]);
    let address = cloud.open_up(&witness);
    wait("the guest greets", LONG, || cloud.greets(&address).then_some(()));
    let process = cloud.vms()[&witness];
    let pinging = ping(&cloud, &address);
    let seed = std::env::var("CUTTLE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let mut dice = Dice(seed);
    let mut promises = Promises::default();
    let rounds = if std::env::var_os("CUTTLE_TEST_ALL").is_some() { ROUNDS.1 } else { ROUNDS.0 };
    for round in 0..rounds {
        let (delay, victims) = (dice.roll(DELAY_MS_MAX), dice.roll(4));
        println!("seed {seed} round {round}: victims {victims} after {delay} ms");
        round_of(&cloud, (&image, &network), &mut dice, &mut promises, Duration::from_millis(delay), victims);
        if victims != 3 {
            cloud.kill_up();
            cloud.start();
        }
    }
    promises.assert_kept(&cloud);
    let (sent, answered) = pinged(pinging);
    assert!(sent > 10 && sent - answered <= PINGS_LOST_MAX, "{answered} of {sent} pings were answered");
    assert_eq!(cloud.vms().get(&witness), Some(&process), "the VM went on as it was");
    cloud.remove_all();
    cloud.assert_clean();
}

/// A user acts until what it talks to is killed: the control plane, both, or the agent alone.
fn round_of(
    cloud: &Cloud,
    (image, network): (&str, &str),
    dice: &mut Dice,
    promises: &mut Promises,
    delay: Duration,
    victims: u64,
) {
    let public = cloud.get("/network/v2.0/networks?router:external=true")["networks"][0]["id"].clone();
    let user = User { cloud, server: cloud.server_body("churn", image, network), public };
    let until = runtime::monotonic() + delay;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            runtime::sleep_blocking(delay);
            if matches!(victims, 2 | 3) {
                cloud.kill_agent();
            }
            if victims != 3 {
                kill(Pid::from_raw(cloud.up()), Signal::SIGKILL).unwrap();
            }
        });
        while user.act(dice, promises).is_some() && (victims != 3 || runtime::monotonic() < until) {}
    });
    if victims == 3 {
        wait("an agent is started again", Duration::from_secs(3), || cloud.agent());
    }
}
