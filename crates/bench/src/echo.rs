//! What a small question and its answer cost over loopback where nobody has to think: the floor under every look.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::{Context, Result};

use crate::machine;
use crate::numbers::{median, ms};
use crate::report::Report;

/// As long as a look at an image with its token, and what is answered.
const QUESTION_BYTES: usize = 400;
const ANSWER_BYTES: usize = 1400;
const ROUNDS: usize = 5;
const ASKS: usize = 1000;

/// Measures it on one processor, and between two.
pub fn measure(report: &mut Report) -> Result<()> {
    let seats = machine::seats()?;
    let (together, apart) = (between(seats.client, seats.client)?, between(seats.client, seats.server)?);
    let how = format!("{together:.3} ms where both are on one processor; {ROUNDS} rounds");
    report.tell("an echo between two processors, without any work", apart, "ms", &how);
    Ok(())
}

/// The median of the rounds' means in ms.
fn between(client: usize, server: usize) -> Result<f64> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen")?;
    let address = listener.local_addr()?;
    let pinned = machine::pin(server)?;
    let echo = runtime::spawn_thread("echo", move || listener.accept().map(|(stream, _)| answer(stream)))?;
    drop(pinned);
    let _pinned = machine::pin(client)?;
    let mut stream = TcpStream::connect(address).context("cannot connect")?;
    stream.set_nodelay(true)?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = runtime::monotonic();
        for _ in 0..ASKS {
            stream.write_all(&[1; QUESTION_BYTES])?;
            stream.read_exact(&mut [0; ANSWER_BYTES])?;
        }
        rounds.push(ms(began.elapsed()) / ASKS as f64);
    }
    drop(stream);
    echo.join().ok().context("the echo died")??;
    Ok(median(&rounds))
}

/// Answers until there are no more questions.
fn answer(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    while stream.read_exact(&mut [0; QUESTION_BYTES]).is_ok() && stream.write_all(&[2; ANSWER_BYTES]).is_ok()
    {
    }
}
