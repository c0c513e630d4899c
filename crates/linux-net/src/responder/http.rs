//! As much of HTTP/1 as metadata clients speak: bytes in, a request; a response, bytes out.

/// The longest request, head and body together.
pub const REQUEST_LEN_MAX: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;

/// What a client wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read a page.
    Get,
    /// Ask for a page's headers.
    Head,
    /// Hand something in.
    Post,
    /// Anything else, which no page allows.
    Other,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path without its query.
    pub path: String,
    /// Whether the client will send another request on this connection.
    pub keep_alive: bool,
    /// The body, empty if there is none.
    pub body: Vec<u8>,
}

/// What a buffer holds so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a request.
    Partial,
    /// A whole request, and how many bytes it took.
    Whole(Request, usize),
    /// No request that could be answered but with this status and the end of the connection.
    Refused(u16),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body's type.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A page of text.
    pub fn text(body: impl Into<Vec<u8>>) -> Response {
        Response { status: 200, content_type: "text/plain; charset=UTF-8", body: body.into() }
    }

    /// A page of JSON.
    pub fn json(body: &serde_json::Value) -> Response {
        Response { status: 200, content_type: "application/json", body: body.to_string().into_bytes() }
    }

    /// A refusal, with the reason for a body.
    pub fn refusal(status: u16) -> Response {
        Response { status, ..Response::text(format!("{status} {}\n", reason(status))) }
    }

    /// The bytes on the wire; the body is left out for `head`.
    pub fn encode(&self, head: bool, keep_alive: bool) -> Vec<u8> {
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let allow = if self.status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
        let mut bytes = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}Connection: {connection}\r\n\r\n",
            self.status,
            reason(self.status),
            self.content_type,
            self.body.len(),
        )
        .into_bytes();
        if !head {
            bytes.extend(&self.body);
        }
        bytes
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

/// Reads the request at the start of `buffer`.
pub fn parse(buffer: &[u8]) -> Parsed {
    let Some((head_len, body_at)) = end_of_head(buffer) else {
        let full = buffer.len() >= REQUEST_LEN_MAX;
        return if full { Parsed::Refused(413) } else { Parsed::Partial };
    };
    let Ok(head) = std::str::from_utf8(&buffer[..head_len]) else { return Parsed::Refused(400) };
    let mut lines = head.lines();
    let request_line = lines.next().unwrap_or_default();
    let (method, path, minor) = match read_request_line(request_line) {
        Ok(read) => read,
        Err(status) => return Parsed::Refused(status),
    };
    let headers = match read_headers(lines) {
        Ok(headers) => headers,
        Err(status) => return Parsed::Refused(status),
    };
    let end = body_at.saturating_add(headers.content_length);
    if end > REQUEST_LEN_MAX {
        return Parsed::Refused(413);
    }
    let Some(body) = buffer.get(body_at..end) else { return Parsed::Partial };
    let keep_alive = headers.keep_alive.unwrap_or(minor >= 1);
    Parsed::Whole(Request { method, path, keep_alive, body: body.to_vec() }, end)
}

/// Where the head's lines end and where the body begins.
fn end_of_head(buffer: &[u8]) -> Option<(usize, usize)> {
    let window = &buffer[..buffer.len().min(REQUEST_LEN_MAX)];
    let at =
        |needle: &[u8]| window.windows(needle.len()).position(|w| w == needle).map(|i| (i, i + needle.len()));
    match (at(b"\r\n\r\n"), at(b"\n\n")) {
        (Some(strict), Some(loose)) => Some(strict.min(loose)),
        (strict, loose) => strict.or(loose),
    }
}

fn read_request_line(line: &str) -> Result<(Method, String, u8), u16> {
    let mut words = line.split_ascii_whitespace();
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(400);
    };
    let minor = match version {
        "HTTP/1.1" => 1,
        "HTTP/1.0" => 0,
        _ => return Err(505),
    };
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        _ => Method::Other,
    };
    // A client behind a proxy setting names the whole URL.
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.starts_with('/') { Ok((method, path.to_owned(), minor)) } else { Err(400) }
}

#[derive(Default)]
struct Headers {
    content_length: usize,
    keep_alive: Option<bool>,
}

fn read_headers<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Headers, u16> {
    let mut headers = Headers::default();
    for (count, line) in lines.enumerate() {
        if count >= HEADERS_MAX {
            return Err(413);
        }
        let (name, value) = line.split_once(':').ok_or(400u16)?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
            headers.content_length =
                if digits { value.parse().map_err(|_| 413u16)? } else { return Err(400) };
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(411);
        } else if name.eq_ignore_ascii_case("connection") {
            if value.eq_ignore_ascii_case("close") {
                headers.keep_alive = Some(false);
            } else if value.eq_ignore_ascii_case("keep-alive") {
                headers.keep_alive = Some(true);
            }
        }
    }
    Ok(headers)
}
