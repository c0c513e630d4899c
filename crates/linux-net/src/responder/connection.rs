//! One HTTP connection: bytes are collected until a request is whole, answered, and written as the peer takes them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use super::http::{self, Method, Parsed, Request, Response};

/// How long a request may take to arrive, an answer to be taken, and a connection to idle.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// Requests served per wake-up, so that one busy client leaves time for others.
const REQUESTS_PER_TURN: usize = 16;

/// A client of the metadata service.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Who the client is, by the namespace and this address.
    pub(crate) peer: IpAddr,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    closing: bool,
    /// When the present step must be over.
    pub(crate) deadline: Instant,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// More of a request.
    Read,
    /// Room for the answer.
    Write,
    /// Nothing: it is over.
    End,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, peer: IpAddr) -> Connection {
        let deadline = runtime::monotonic() + TIMEOUT;
        Connection {
            stream,
            peer,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            closing: false,
            deadline,
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Goes on as far as it can without waiting; `answer` makes the pages.
    pub(crate) fn proceed(&mut self, mut answer: impl FnMut(IpAddr, &Request) -> Response) -> Wants {
        for _ in 0..REQUESTS_PER_TURN {
            match self.flush() {
                Ok(true) => {}
                Ok(false) => return Wants::Write,
                Err(_) => return Wants::End,
            }
            if self.closing {
                return Wants::End;
            }
            if self.take_request(&mut answer) {
                continue;
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return Wants::Read,
                Err(_) => return Wants::End,
            }
            self.take_request(&mut answer);
        }
        // What is still there is served on the next turn: an output that is empty is writable at once.
        Wants::Write
    }

    /// Answers the request at the front of the input, if it is whole.
    fn take_request(&mut self, answer: &mut impl FnMut(IpAddr, &Request) -> Response) -> bool {
        match http::parse(&self.input) {
            Parsed::Partial => return false,
            Parsed::Refused(status) => {
                self.closing = true;
                self.output = Response::refusal(status).encode(false, false);
            }
            Parsed::Whole(request, used) => {
                self.input.drain(..used);
                self.closing = !request.keep_alive;
                let response = answer(self.peer, &request);
                self.output = response.encode(request.method == Method::Head, request.keep_alive);
            }
        }
        self.written = 0;
        self.deadline = runtime::monotonic() + TIMEOUT;
        true
    }

    /// Whether everything was written.
    fn flush(&mut self) -> io::Result<bool> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(true)
    }

    /// Whether anything was read.
    fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 2048];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.input.extend(&chunk[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }
}
