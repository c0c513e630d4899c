//! Requests whole, partial and wrong.

use proptest::prelude::{any, prop};
use proptest::proptest;

use crate::responder::http::{Method, Parsed, REQUEST_LEN_MAX, Request, Response, parse};

fn whole(text: &str) -> (Request, usize) {
    match parse(text.as_bytes()) {
        Parsed::Whole(request, used) => (request, used),
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn requests_are_read() {
    let check = |text: &str, method, path: &str, keep_alive| {
        let (request, used) = whole(text);
        assert_eq!((request.method, request.path.as_str(), request.keep_alive), (method, path, keep_alive));
        assert_eq!(used, text.len());
    };
    check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Method::Get, "/", true);
    check("GET /a?b#c HTTP/1.0\r\n\r\n", Method::Get, "/a", false);
    check("HEAD /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Method::Head, "/a", true);
    check("GET /a HTTP/1.1\nconnection: close\n\n", Method::Get, "/a", false);
    check("GET http://169.254.169.254/openstack HTTP/1.1\r\n\r\n", Method::Get, "/openstack", true);
    check("GET http://169.254.169.254 HTTP/1.1\r\n\r\n", Method::Get, "/", true);
    check("PUT /latest/api/token HTTP/1.1\r\n\r\n", Method::Other, "/latest/api/token", true);
}

#[test]
fn a_body_is_waited_for() {
    let text = "POST /p HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET";
    for length in 0..text.len() - 3 {
        assert_eq!(parse(&text.as_bytes()[..length]), Parsed::Partial, "{length}");
    }
    let (request, used) = whole(text);
    assert_eq!((request.body.as_slice(), used), (&b"abc"[..], text.len() - 3));
}

#[test]
fn wrong_requests_are_refused() {
    let check = |text: &str, status| assert_eq!(parse(text.as_bytes()), Parsed::Refused(status), "{text:?}");
    check("GET /\r\n\r\n", 400);
    check("GET / HTTP/2\r\n\r\n", 505);
    check("GET a HTTP/1.1\r\n\r\n", 400);
    check("GET / HTTP/1.1\r\nnonsense\r\n\r\n", 400);
    check("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400);
    check("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413);
    check("POST / HTTP/1.1\r\nContent-Length: 9000\r\n\r\n", 413);
    check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411);
    check(&format!("GET /{} HTTP/1.1\r\n", "a".repeat(REQUEST_LEN_MAX)), 413);
}

#[test]
fn answers_are_written() {
    let page = Response::text("abc");
    let expected = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: 3\r\n\
                    Connection: keep-alive\r\n\r\n";
    assert_eq!(page.encode(true, true), expected.as_bytes());
    assert_eq!(page.encode(false, true), format!("{expected}abc").as_bytes());
    assert!(
        Response::refusal(404).encode(false, false).ends_with(b"Connection: close\r\n\r\n404 Not Found\n")
    );
}

proptest! {
    #[test]
    fn nonsense_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        parse(&bytes);
        parse(&[b"GET /".as_slice(), &bytes, b"\r\n\r\n"].concat());
    }
}
