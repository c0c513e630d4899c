//! Requests of conversations with odd things in them, and every route with them: nothing that a client sends is a fault of
//! ours.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::{Answer, Api, Asked};

/// How many requests one cloud gets. Some of them take the administrator's rights away.
const A_CLOUD: usize = 250;

/// A service that is sent odd requests.
pub struct Varied {
    /// Where it is: `/identity`.
    pub prefix: &'static str,
    /// Method and path of each of its routes.
    pub routes: Vec<(String, String)>,
    /// Parameters that its lists know.
    pub queries: &'static [&'static str],
    /// The word for it in the header of microversions, and the newest minor version, if it has any.
    pub microversions: Option<(&'static str, usize)>,
}

/// A fresh cloud in which some requests were made.
pub struct Begun {
    /// The cloud.
    pub api: Api,
    /// What was asked, and what could have been.
    pub asked: Vec<Asked>,
    /// The administrator's token.
    pub administrator: String,
    /// What goes on beside the requests: hosts work, reconcilers step.
    pub beside: Box<dyn FnMut(&Api)>,
}

/// Chance from a seed: SplitMix64.
pub struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

impl Varied {
    /// Sends this many requests, or as many as a cloud takes; panics if one is answered by a fault of ours (501 is none).
    /// `CUTTLE_SEED` repeats a run.
    pub fn check(&self, wanted: usize, mut begin: impl FnMut(&mut Dice) -> Begun) {
        let given = std::env::var("CUTTLE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(runtime::random_u64);
        println!("CUTTLE_SEED={seed}");
        let mut dice = Dice(seed);
        let (mut sent, mut faults, mut statuses) = (0, BTreeSet::new(), BTreeMap::new());
        while sent < wanted {
            let mut begun = begin(&mut dice);
            for _ in 0..A_CLOUD.min(wanted - sent) {
                let request = varied(&mut dice, self, &begun);
                let answer = send(&begun.api, &request);
                *statuses.entry(answer.status).or_insert(0) += 1;
                faults.extend(fault(&request, &answer));
                (begun.beside)(&begun.api);
                sent += 1;
            }
        }
        println!("{sent} requests: {statuses:?}");
        assert!(faults.is_empty(), "CUTTLE_SEED={seed}: {} faults\n{faults:#?}", faults.len());
        // Odd requests that all fail at the door would prove nothing.
        let done: i32 = statuses.range(200..300).map(|(_, count)| count).sum();
        assert!(done * 20 > i32::try_from(wanted).unwrap(), "too few came through: {statuses:?}");
    }

    /// Asks each list for each parameter with values that suit none; panics as `check` does. A database server minds what
    /// it compares, so that there each of them counts.
    pub fn check_lists(&self, api: &Api, administrator: &str) {
        let lists = self.routes.iter().filter(|(method, path)| method == "GET" && !path.contains('{'));
        let newest = self
            .microversions
            .map(|(word, minor)| vec![("openstack-api-version".to_owned(), format!("{word} 3.{minor}"))]);
        let (mut faults, mut sent) = (BTreeSet::new(), 0);
        for (_, path) in lists {
            for name in self.queries {
                for value in ["", "1", "gt:x", "%F0%9F%90%99"] {
                    let request = Asked {
                        method: "GET".to_owned(),
                        path: format!("{}{path}?{name}={value}", self.prefix),
                        token: administrator.to_owned(),
                        headers: newest.clone().unwrap_or_default(),
                        body: Vec::new(),
                    };
                    faults.extend(fault(&request, &send(api, &request)));
                    sent += 1;
                }
            }
        }
        println!("{sent} requests of lists");
        assert!(sent > 0 && faults.is_empty(), "{} faults\n{faults:#?}", faults.len());
    }
}

/// What was asked and answered, if the answer is a fault of ours.
fn fault(request: &Asked, answer: &Answer) -> Option<String> {
    let body = String::from_utf8_lossy(&request.body).chars().take(300).collect::<String>();
    let is_ours = answer.status >= 500 && answer.status != 501;
    is_ours.then(|| format!("{} {} {body}: {answer:?}", request.method, request.path))
}

fn send(api: &Api, request: &Asked) -> Answer {
    let headers: Vec<(&str, &str)> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    api.send(&request.token, &request.method, &request.path, &headers, request.body.clone())
}

fn varied(dice: &mut Dice, service: &Varied, begun: &Begun) -> Asked {
    let mut request = dice.pick(&begun.asked).clone();
    if dice.one_in(3) {
        let (method, path) = dice.pick(&service.routes).clone();
        request.method = method;
        request.path = filled(dice, &format!("{}{path}", service.prefix), &begun.asked);
        // Most routes are the administrator's.
        request.token = begun.administrator.clone();
    }
    if let (Some((word, newest)), true) = (service.microversions, dice.one_in(3)) {
        let version = format!("{word} 3.{}", dice.below(newest + 3));
        request.headers = vec![("openstack-api-version".to_owned(), version)];
    }
    if dice.one_in(10) {
        request.path = with_odd_path(dice, service.prefix, &request.path);
    }
    if dice.one_in(4) {
        let separator = if request.path.contains('?') { '&' } else { '?' };
        request.path = format!("{}{separator}{}", request.path, odd_query(dice, service.queries));
    }
    if let Ok(mut body) = serde_json::from_slice::<Json>(&request.body) {
        for _ in 0..dice.below(4) {
            mutate(dice, &mut body);
        }
        request.body = body.to_string().into_bytes();
    }
    if dice.one_in(20) {
        request.body = odd_bytes(dice, &request.body);
    }
    request.path = request.path.replace(['<', '>', ' '], "_");
    request
}

/// A route's path with parameters that other requests have in such a place, or anywhere.
fn filled(dice: &mut Dice, route: &str, asked: &[Asked]) -> String {
    let mut before = "";
    let mut path = Vec::new();
    for segment in route.split('/') {
        if !segment.starts_with('{') {
            path.push(segment.to_owned());
            before = segment;
            continue;
        }
        let words = |request: &'_ Asked| {
            request.path.split(['/', '?', '&', '=']).map(str::to_owned).collect::<Vec<_>>()
        };
        let all: Vec<Vec<String>> = asked.iter().map(words).collect();
        let fits = |pair: &[String]| pair[0] == before && !pair[1].is_empty();
        let mut known: Vec<String> = all
            .iter()
            .flat_map(|words| words.windows(2))
            .filter(|pair| fits(pair))
            .map(|pair| pair[1].clone())
            .collect();
        if known.is_empty() || dice.one_in(10) {
            known = all.concat();
        }
        path.push(dice.pick(&known).clone());
    }
    path.join("/")
}

fn with_odd_path(dice: &mut Dice, prefix: &str, path: &str) -> String {
    const ODD: [&str; 9] =
        ["nothing", "%00", "%2F", "..", "%F0%9F%90%99", "%FF%FE", "-1", "default", "%27%20OR%201=1"];
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut segments: Vec<String> = path.split('/').map(str::to_owned).collect();
    let n = dice.below(segments.len());
    segments[n] = if dice.one_in(8) { "x".repeat(3000) } else { (*dice.pick(&ODD)).to_owned() };
    let name = prefix.trim_start_matches('/');
    let root =
        if segments.iter().any(|segment| segment == name) { String::new() } else { format!("{prefix}/v3") };
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{root}/{}{query}", segments.join("/").trim_start_matches('/'))
}

fn odd_query(dice: &mut Dice, names: &[&str]) -> String {
    const VALUES: [&str; 12] = [
        "",
        "-1",
        "0",
        "1",
        "99999999999999999999",
        "%00",
        "%F0%9F%90%99",
        "true",
        "None",
        "lt:2030-01-01T00:00:00Z",
        "gt:9999-99-99T00:00:00Z",
        "%25%5F%27",
    ];
    format!("{}={}", dice.pick(names), dice.pick(&VALUES))
}

fn odd_bytes(dice: &mut Dice, body: &[u8]) -> Vec<u8> {
    match dice.below(4) {
        0 => body[..body.len() / 2].to_vec(),
        1 => b"\xff\xfe{\"a\": 1}".to_vec(),
        2 => "[".repeat(100_000).into_bytes(),
        _ => Vec::new(),
    }
}

/// Changes one place of the body.
fn mutate(dice: &mut Dice, json: &mut Json) {
    match json {
        Json::Object(fields) if !fields.is_empty() && !dice.one_in(5) => {
            let keys: Vec<String> = fields.keys().cloned().collect();
            let key = dice.pick(&keys).clone();
            match dice.below(10) {
                0 => drop(fields.remove(&key)),
                1 => drop(fields.insert("extra \u{1f419}".to_owned(), odd_value(dice))),
                2 => {
                    let value = fields.remove(&key).unwrap_or_default();
                    fields.insert(format!("{key}s"), value);
                }
                _ => mutate(dice, &mut fields[&key]),
            }
        }
        Json::Array(list) if !list.is_empty() && !dice.one_in(5) => {
            let n = dice.below(list.len());
            if dice.one_in(4) {
                let item = list[n].clone();
                list.push(item);
            } else {
                mutate(dice, &mut list[n]);
            }
        }
        other => *other = odd_value(dice),
    }
}

fn odd_value(dice: &mut Dice) -> Json {
    match dice.below(18) {
        0 => Json::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(1e300),
        5 => json!(0.5),
        6 => json!(""),
        7 => json!("   "),
        8 => json!("x".repeat(70_000)),
        9 => json!("\u{0}\u{7}\u{1f419}\u{202e}é"),
        10 => json!([]),
        11 => json!({}),
        12 => (0..100).fold(json!(1), |inner, _| json!([inner])),
        13 => (0..100).fold(json!(1), |inner, _| json!({"a": inner})),
        14 => json!("9999-12-31T23:59:60.999999Z"),
        15 => json!("%s%(project_id)s$(project_id)s{0}{}"),
        16 => json!("default"),
        _ => json!((0..300).map(|n| n.to_string()).collect::<Vec<_>>()),
    }
}
