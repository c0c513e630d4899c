//! The protocol, against a scripted other side.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hypervisor::qemu::qmp::{Qmp, QmpError, QmpEvent};
use serde_json::{Value, json};

const GREETING: &str = "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n";
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(50);

/// A client of a thread that gets each command, with its id, and answers lines of text.
fn client(mut answer: impl FnMut(&str, u64) -> Vec<String> + Send + 'static) -> (Qmp, Receiver<QmpEvent>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    runtime::spawn_thread("script", move || {
        (&theirs).write_all(GREETING.as_bytes()).unwrap();
        for line in BufReader::new(&theirs).lines() {
            let command: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let id = command["id"].as_u64().unwrap();
            let lines = match command["execute"].as_str().unwrap() {
                "qmp_capabilities" => vec![json!({ "return": {}, "id": id }).to_string()],
                "end" => return,
                other => answer(other, id),
            };
            for line in lines {
                (&theirs).write_all(format!("{line}\r\n").as_bytes()).unwrap();
            }
        }
    })
    .unwrap();
    let (sender, events) = channel();
    let qmp = Qmp::open(ours, LONG, move |event| drop(sender.send(event))).unwrap();
    (qmp, events)
}

#[test]
fn answers_find_their_commands() {
    let (qmp, events) = client(|command, id| {
        vec![
            json!({ "event": "FROM_THE_FUTURE", "data": { "x": 1 }, "timestamp": {} }).to_string(),
            json!({ "return": "nobody asked", "id": 999 }).to_string(),
            json!({ "neither": "nor" }).to_string(),
            match command {
                "bad" => json!({ "error": { "class": "GenericError", "desc": "no" }, "id": id }).to_string(),
                _ => json!({ "return": command, "id": id }).to_string(),
            },
        ]
    });
    assert_eq!(qmp.execute("good", json!({}), LONG), Ok("good".into()));
    let refused = QmpError::Refused { class: "GenericError".to_owned(), description: "no".to_owned() };
    assert_eq!(qmp.execute("bad", json!({}), LONG), Err(refused));
    let event = QmpEvent::Event { name: "FROM_THE_FUTURE".to_owned(), data: json!({ "x": 1 }) };
    assert_eq!(events.recv_timeout(LONG), Ok(event));
}

#[test]
fn a_late_answer_disturbs_nothing() {
    let mut withheld = None;
    let (qmp, _events) = client(move |command, id| match command {
        "slow" => {
            withheld = Some(json!({ "return": "late", "id": id }).to_string());
            Vec::new()
        }
        _ => withheld.take().into_iter().chain([json!({ "return": "now", "id": id }).to_string()]).collect(),
    });
    assert_eq!(qmp.execute("slow", json!({}), SHORT), Err(QmpError::Timeout));
    assert_eq!(qmp.execute("next", json!({}), LONG), Ok("now".into()));
}

#[test]
fn the_end_is_told() {
    let (qmp, events) = client(|_, _| Vec::new());
    assert!(!qmp.is_closed());
    assert_eq!(qmp.execute("end", json!({}), LONG), Err(QmpError::Closed));
    assert_eq!(events.recv_timeout(LONG), Ok(QmpEvent::Closed));
    assert!(qmp.is_closed());
    assert_eq!(qmp.execute("more", json!({}), LONG), Err(QmpError::Closed));
}

#[test]
fn what_does_not_greet_is_not_qemu() {
    for greeting in ["", "{}\r\n", "hello\r\n", "{\"QMP\":"] {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(greeting.as_bytes()).unwrap();
        drop(theirs);
        assert!(Qmp::open(ours, LONG, |_| {}).is_err(), "{greeting}");
    }
    let (ours, _silent) = UnixStream::pair().unwrap();
    assert!(Qmp::open(ours, SHORT, |_| {}).is_err(), "silence ends too");
}
