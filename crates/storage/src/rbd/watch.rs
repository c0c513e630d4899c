//! Which clients an OSD knows to have an object open: those that it would tell of a change.

use std::collections::BTreeSet;
use std::ptr;

use super::class::taken;
use super::cluster::{Done, Pool, c_string, check};
use super::wire::Fault;

/// How long those are waited for that are told of something and do not answer. They are known either way.
const ANSWER_MS_MAX: u64 = 1000;

impl Pool {
    /// The numbers of the clients that have an object open, also of those that do not answer any more and are not given
    /// up yet. To find out, all are told to look at the object again, which does no harm.
    pub fn known_watchers(&self, object: &str) -> Done<BTreeSet<u64>> {
        let doing = || format!("ask who has {}/{object} open", self.name);
        let (c_object, rados) = (c_string(object)?, &self.libraries.rados);
        let (mut reply, mut length) = (ptr::null_mut(), 0);
        // SAFETY: the context is open, the name lives for the time of the call, the message is empty; what is answered is
        // given back below.
        let result = unsafe {
            (rados.rados_notify2)(
                self.io,
                c_object.as_ptr(),
                c"".as_ptr(),
                0,
                ANSWER_MS_MAX,
                &raw mut reply,
                &raw mut length,
            )
        };
        if reply.is_null() {
            check(result.into(), doing)?;
            return Err(Fault::Ceph { errno: nix::libc::EBADMSG, doing: doing() });
        }
        // SAFETY: librados gave so many bytes.
        let bytes = unsafe { std::slice::from_raw_parts(reply.cast::<u8>(), length) }.to_vec();
        // SAFETY: librados made the buffer, and it was copied.
        unsafe { (rados.rados_buffer_free)(reply) };
        // That some did not answer is no failure, and there is a list of them.
        if result != -nix::libc::ETIMEDOUT {
            check(result.into(), doing)?;
        }
        read_clients(&bytes).ok_or_else(|| Fault::Ceph { errno: nix::libc::EBADMSG, doing: doing() })
    }
}

/// What is answered: those who answered, each with its number, the number of its watch and what it said, and those who did
/// not. `None` if it is something else.
fn read_clients(bytes: &[u8]) -> Option<BTreeSet<u64>> {
    let mut rest = bytes;
    let mut clients = BTreeSet::new();
    for says_something in [true, false] {
        let count = u32::from_le_bytes(taken(&mut rest)?);
        for _ in 0..count {
            clients.insert(u64::from_le_bytes(taken(&mut rest)?));
            taken::<8>(&mut rest)?;
            if says_something {
                let length = usize::try_from(u32::from_le_bytes(taken(&mut rest)?)).ok()?;
                rest = rest.split_at_checked(length)?.1;
            }
        }
    }
    rest.is_empty().then_some(clients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_answer_and_those_who_do_not_are_known() {
        let one = |client: u64| [client.to_le_bytes(), [7; 8]].concat();
        let answered = [&1u32.to_le_bytes()[..], &one(4226), &2u32.to_le_bytes(), b"ok"].concat();
        let silent = [&2u32.to_le_bytes()[..], &one(4239), &one(4240)].concat();
        let all = [&answered[..], &silent].concat();
        assert_eq!(read_clients(&[0; 8]), Some(BTreeSet::new()));
        assert_eq!(read_clients(&all), Some(BTreeSet::from([4226, 4239, 4240])));
        for end in 0..all.len() {
            assert_eq!(read_clients(&all[..end]), None, "{end} bytes");
        }
    }
}
