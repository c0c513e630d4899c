//! Whether a VM can be logged in to, asked from its own network: the banner that its SSH server sends.
//!
//! The question comes from the bridge's own address, so it passes no security group, which judge what is
//! bridged from port to port; a VM whose groups deny port 22 still shows that it is up.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};

use crate::netns::Netns;
use crate::network::{SERVICE_V4, SERVICE_V6};

const SSH_PORT: u16 = 22;
/// How many probes may wait at a time, each on a thread of its own. More are answered by `None`.
const PROBES_MAX: usize = 32;
/// How much a server may say before and with its banner (RFC 4253 allows lines before it).
const TALK_LEN_MAX: usize = 4096;
/// The longest banner, by the same RFC.
const BANNER_LEN_MAX: usize = 255;

static PROBES: AtomicUsize = AtomicUsize::new(0);

/// A place among the probes that are allowed; given back when dropped.
struct Place;

impl Place {
    fn take() -> Option<Place> {
        let more = |running: usize| (running < PROBES_MAX).then_some(running + 1);
        PROBES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        PROBES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The line with which the SSH server at `address` introduces itself, asked from bridge `device` in namespace
/// `ns`; `None` if there is none in time. Waits at most `timeout`, on a thread that has entered the namespace.
pub fn ssh_banner(ns: &str, device: &str, address: IpAddr, timeout: Duration) -> Option<String> {
    let _place = Place::take()?;
    let netns = Netns::open(ns).ok()??;
    let deadline = runtime::monotonic() + timeout;
    netns.run(|| ask(device, address, deadline)).ok()?.ok()?
}

fn ask(device: &str, address: IpAddr, deadline: Instant) -> io::Result<Option<String>> {
    let index = if_nametoindex(device)?;
    let (from, to): (SocketAddr, SocketAddr) = match address {
        IpAddr::V4(v4) => (SocketAddrV4::new(SERVICE_V4, 0).into(), SocketAddrV4::new(v4, SSH_PORT).into()),
        IpAddr::V6(v6) => {
            let from = SocketAddrV6::new(SERVICE_V6, 0, 0, index);
            (from.into(), SocketAddrV6::new(v6, SSH_PORT, 0, index).into())
        }
    };
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&socket, sockopt::BindToDevice, &device.into())?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(from))?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) | Err(nix::Error::EINPROGRESS) => {}
        Err(errno) => return Err(errno.into()),
    }
    wait(&socket, PollFlags::POLLOUT, deadline)?;
    let mut stream = TcpStream::from(socket);
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    read_banner(&mut stream, deadline)
}

/// Collects what the server says until its banner is whole.
fn read_banner(stream: &mut TcpStream, deadline: Instant) -> io::Result<Option<String>> {
    let mut said = Vec::new();
    let mut chunk = [0; 512];
    while said.len() < TALK_LEN_MAX {
        wait(&*stream, PollFlags::POLLIN, deadline)?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => said.extend(&chunk[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
            Err(error) => return Err(error),
        }
        if let Some(banner) = find_banner(&said) {
            return Ok(Some(banner));
        }
    }
    Ok(None)
}

/// The first whole line that is a banner, without its end. A banner is shown to people, and a VM may send what it
/// likes: only one of plain printable characters counts.
fn find_banner(said: &[u8]) -> Option<String> {
    let whole = &said[..said.iter().rposition(|byte| *byte == b'\n')?];
    let mut lines = whole.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.find(|line| line.starts_with(b"SSH-"))?;
    let plain = line.len() <= BANNER_LEN_MAX && line.iter().all(|byte| matches!(byte, b' '..=b'~'));
    plain.then(|| String::from_utf8_lossy(line).into_owned())
}

/// Waits until a socket is ready for this; fails at the deadline.
fn wait(socket: &impl AsFd, what: PollFlags, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(runtime::monotonic());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let millis = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
        match poll(&mut [PollFd::new(socket.as_fd(), what)], PollTimeout::from(millis)) {
            Ok(0) | Err(nix::Error::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::find_banner;

    #[test]
    fn banners_are_found() {
        let check = |said: &str, expected: Option<&str>| {
            assert_eq!(find_banner(said.as_bytes()).as_deref(), expected, "{said:?}");
        };
        check("SSH-2.0-dropbear\r\n", Some("SSH-2.0-dropbear"));
        check("SSH-2.0-OpenSSH_9.2p1 Debian-2\n\0\0", Some("SSH-2.0-OpenSSH_9.2p1 Debian-2"));
        check("welcome\r\nSSH-2.0-x\r\nmore", Some("SSH-2.0-x"));
        check("SSH-2.0-dropb", None);
        check("HTTP/1.1 400\r\n\r\n", None);
        check("SSH-2.0-\u{1b}[31m\r\n", None);
        check(&format!("SSH-2.0-{}\n", "x".repeat(300)), None);
        check("", None);
    }
}
