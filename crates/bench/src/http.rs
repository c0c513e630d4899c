//! A small HTTP client that keeps its connections: one thread, several requests on their way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::sendfile::sendfile64;

/// How long an answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// How large an answer may be.
const BODY_LEN_MAX: usize = 64 << 20;

/// An answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The value of `X-Subject-Token`.
    pub subject_token: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// A connection that is kept, unless the other side closes it after each answer; then the next request opens another.
pub struct Connection {
    to: SocketAddr,
    stream: BufReader<TcpStream>,
    line: String,
    is_closed: bool,
}

impl Connection {
    /// Connects.
    pub fn open(to: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(to).with_context(|| format!("cannot connect to {to}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        let stream = BufReader::with_capacity(64 << 10, stream);
        Ok(Connection { to, stream, line: String::new(), is_closed: false })
    }

    /// Sends a request without waiting for its answer.
    pub fn send(&mut self, request: &[u8]) -> Result<()> {
        if self.is_closed {
            *self = Connection::open(self.to)?;
        }
        self.stream.get_mut().write_all(request).context("cannot send a request")
    }

    /// Sends the body of a request whose head was sent, from the beginning of a file, as cheaply as a client can: the
    /// kernel takes the file's pages, so that the processors are the service's.
    pub fn send_all(&mut self, file: &std::fs::File, length: u64) -> Result<()> {
        let (mut at, mut left) = (0, usize::try_from(length)?);
        while left > 0 {
            let sent =
                sendfile64(self.stream.get_ref(), file, Some(&mut at), left).context("cannot send a file")?;
            ensure!(sent > 0, "the file has {at} bytes instead of {length}");
            left -= sent;
        }
        Ok(())
    }

    /// Waits for a good answer of this length, and keeps nothing of it.
    pub fn receive_and_drop(&mut self, length: u64) -> Result<()> {
        let mut answer = Answer::default();
        let promised = self.head(&mut answer)?.unwrap_or(0) as u64;
        ensure!(answer.status == 200, "the answer is {}", answer.status);
        ensure!(promised == length, "the answer has {promised} bytes instead of {length}");
        let mut body = (&mut self.stream).take(length);
        let came = std::io::copy(&mut body, &mut std::io::sink()).context("the answer ended early")?;
        ensure!(came == length, "the answer ended early");
        Ok(())
    }

    /// Waits for the answer of the last request, and puts it into `answer`, whose room is used again.
    pub fn receive(&mut self, answer: &mut Answer) -> Result<()> {
        let len = self.head(answer)?;
        if len.is_none() && self.is_closed {
            answer.body.clear();
            let mut body = (&mut self.stream).take(BODY_LEN_MAX as u64);
            return body.read_to_end(&mut answer.body).map(drop).context("the answer ended early");
        }
        let len = len.unwrap_or(0);
        ensure!(len <= BODY_LEN_MAX, "an answer of {len} bytes is too large");
        answer.body.resize(len, 0);
        self.stream.read_exact(&mut answer.body).context("the answer ended early")
    }

    /// Reads an answer up to its body, and tells how long that is, if it is told.
    fn head(&mut self, answer: &mut Answer) -> Result<Option<usize>> {
        self.next_line()?;
        let status = self.line.split(' ').nth(1).and_then(|status| status.parse().ok());
        answer.status = status.with_context(|| format!("this is no answer: {:?}", self.line))?;
        answer.subject_token = None;
        let mut len = None;
        loop {
            self.next_line()?;
            let Some((name, value)) = self.line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                len = Some(value.trim().parse().context("the answer's length is no number")?);
            } else if name.eq_ignore_ascii_case("x-subject-token") {
                answer.subject_token = Some(value.trim().to_owned());
            } else if name.eq_ignore_ascii_case("connection") {
                self.is_closed = value.trim().eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                bail!("an answer in chunks was not expected");
            }
        }
        Ok(len)
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        let mut answer = Answer::default();
        self.send(request)?;
        self.receive(&mut answer)?;
        Ok(answer)
    }

    fn next_line(&mut self) -> Result<()> {
        self.line.clear();
        let len = self.stream.read_line(&mut self.line).context("no answer came")?;
        ensure!(len > 0, "the connection was closed");
        self.line.truncate(self.line.trim_end().len());
        Ok(())
    }
}

/// A request, ready to be sent.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: cuttle\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// How much is asked at most.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many requests are on their way at a time.
    pub concurrency: usize,
    /// How many requests there are at most.
    pub requests_max: usize,
    /// How long it goes on at most.
    pub time_max: Duration,
}

/// What a load came to.
pub struct Outcome {
    /// How many answers came.
    pub answers: usize,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl Outcome {
    /// Answers per second.
    pub fn rate(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }
}

/// Sends requests, always so many on their way, and shows every answer to `check`, which refuses wrong ones.
/// `next` makes the request of this number.
pub fn run<'a>(
    to: SocketAddr,
    load: Load,
    mut next: impl FnMut(usize) -> std::borrow::Cow<'a, [u8]>,
    mut check: impl FnMut(usize, &Answer) -> Result<()>,
) -> Result<Outcome> {
    let mut connections = Vec::new();
    for _ in 0..load.concurrency {
        connections.push((Connection::open(to)?, None::<usize>));
    }
    let began = runtime::monotonic();
    let ended = |began: Instant| began.elapsed() >= load.time_max;
    let (mut sent, mut answers, mut answer) = (0, 0, Answer::default());
    loop {
        let mut waiting = false;
        for (connection, on_its_way) in &mut connections {
            if let Some(number) = on_its_way.take() {
                connection.receive(&mut answer)?;
                check(number, &answer)?;
                answers += 1;
            }
            if sent < load.requests_max && !ended(began) {
                connection.send(&next(sent))?;
                *on_its_way = Some(sent);
                sent += 1;
                waiting = true;
            }
        }
        if !waiting && connections.iter().all(|(_, on_its_way)| on_its_way.is_none()) {
            return Ok(Outcome { answers, elapsed: began.elapsed() });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::{Connection, request};

    #[test]
    fn who_closes_after_each_answer_is_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = Connection::open(listener.local_addr().unwrap()).unwrap();
        let server = runtime::spawn_thread("closing", move || {
            for answer in ["one", "another"] {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 1000]).unwrap() > 0);
                write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{answer}").unwrap();
            }
            let (mut stream, _) = listener.accept().unwrap();
            for length in [2, 0] {
                assert!(stream.read(&mut [0; 1000]).unwrap() > 0);
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").unwrap();
                stream.write_all(&b"ok"[..length]).unwrap();
            }
        })
        .unwrap();
        for expected in ["one", "another", "ok", ""] {
            let answer = connection.ask(&request("GET", "/", &[], "")).unwrap();
            assert_eq!((answer.status, answer.body.as_slice()), (200, expected.as_bytes()));
        }
        server.join().unwrap();
    }
}
