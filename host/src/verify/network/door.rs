//! One proxy: a local port, from which connections go on to one server.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Conditions, Doors, add};
use crate::broker::Kind;
use crate::broker::verify::Exchange;

/// Read at once.
const CHUNK: usize = 64 << 10;

/// Chunks that are on their way at a time; what a client sends beyond that waits at its side.
const ON_THE_WAY: usize = 64;

/// Before the next try to accept a connection, when the system has refused one.
const AGAIN: Duration = Duration::from_millis(50);

/// Opens a port that leads to a server (`host:port`) of a kind of broker, until `doors.end`.
pub(super) fn open(server: String, kind: &'static Kind, doors: Doors) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    tokio::spawn(async move {
        let end = doors.end.clone();
        end.run_until_cancelled(accept(listener, server, kind, doors)).await
    });
    Ok(port)
}

async fn accept(listener: tokio::net::TcpListener, server: String, kind: &'static Kind, doors: Doors) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            sleep(AGAIN).await;
            continue;
        };
        if doors.conditions.borrow().shut {
            add(&doors.counts.cut);
            reset(&client);
            continue;
        }
        let (server, doors) = (server.clone(), doors.clone());
        tokio::spawn(async move {
            let end = doors.end.clone();
            end.run_until_cancelled(async move {
                match TcpStream::connect(&server).await {
                    Ok(upstream) => relay(client, upstream, kind, &doors).await,
                    Err(_) => reset(&client),
                }
            })
            .await
        });
    }
}

/// Carries bytes both ways until one end closes, an answer is lost or the connection is cut.
async fn relay(client: TcpStream, server: TcpStream, kind: &'static Kind, doors: &Doors) {
    let mut conditions = doors.conditions.clone();
    let cuts = conditions.borrow_and_update().cuts;
    // Small answers are not to wait for each other.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let exchange = Mutex::new((kind.verify.exchange)());
    // The halves are put together again at the end, for the reset.
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let carry = |side| Carry { side, kind, exchange: &exchange, doors };
    let cut = tokio::select! {
        _ = carry(Side::Requests).carry(&mut from_client, &mut to_server) => false,
        lost = carry(Side::Answers).carry(&mut from_server, &mut to_client) => lost,
        _ = conditions.wait_for(|conditions| conditions.cuts != cuts) => {
            add(&doors.counts.cut);
            true
        }
    };
    if cut && let Ok(client) = from_client.reunite(to_client) {
        reset(&client);
    }
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Requests,
    Answers,
}

/// One direction of a connection.
struct Carry<'a> {
    side: Side,
    /// The broker that the server is of, and so are those whose addresses it answers.
    kind: &'static Kind,
    exchange: &'a Mutex<Box<dyn Exchange>>,
    doors: &'a Doors,
}

impl Carry<'_> {
    /// Carries bytes until one end closes; true where an answer was lost.
    async fn carry(self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> bool {
        let (chunks, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
        let (conditions, counts) = (self.doors.conditions.clone(), &self.doors.counts);
        let take = async move {
            let mut buffer = vec![0; CHUNK];
            while let Ok(length @ 1..) = from.read(&mut buffer).await {
                let delay = conditions.borrow().delay;
                if !delay.is_zero() {
                    add(&counts.delayed);
                }
                if chunks.send((Instant::now() + delay, buffer[..length].to_vec())).await.is_err() {
                    break;
                }
            }
        };
        let give = async {
            let mut conditions = self.doors.conditions.clone();
            while let Some((due, chunk)) = arriving.recv().await {
                sleep_until(due).await;
                if !self.opened(&mut conditions).await {
                    return false;
                }
                let loses = conditions.borrow().loses_answers;
                let (bytes, lost) = self.pass(chunk, loses);
                if to.write_all(&bytes).await.is_err() {
                    return false;
                }
                if lost {
                    add(&counts.answers_lost);
                    return true;
                }
            }
            false
        };
        // What was taken is still given when the sender has closed; where nothing is given any more, nothing is taken.
        let mut give = std::pin::pin!(give);
        tokio::select! {
            lost = &mut give => lost,
            () = take => give.await,
        }
    }

    /// Waits until bytes may go on; false where the run has ended.
    async fn opened(&self, conditions: &mut watch::Receiver<Conditions>) -> bool {
        let waits = |conditions: &Conditions| match self.side {
            Side::Requests => conditions.requests_wait,
            Side::Answers => conditions.answers_wait,
        };
        if waits(&conditions.borrow()) {
            let counts = &self.doors.counts;
            add(if self.side == Side::Requests { &counts.requests_held } else { &counts.answers_held });
        }
        conditions.wait_for(|conditions| !waits(conditions)).await.is_ok()
    }

    /// The bytes that go on, and whether an answer is lost behind them.
    fn pass(&self, chunk: Vec<u8>, loses: bool) -> (Vec<u8>, bool) {
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        if self.side == Side::Requests {
            exchange.note(&chunk);
            return (chunk, false);
        }
        let mut door = |host: &str, port: u16| self.doors.to(&format!("{host}:{port}"), self.kind).ok();
        let passed = exchange.pass(chunk, loses, &mut door);
        (0..passed.unread).for_each(|_| add(&self.doors.counts.unread));
        (passed.bytes, passed.lost)
    }
}

/// Has the connection end with a reset when it is dropped, as of a host that is gone.
fn reset(client: &TcpStream) {
    let _ = client.set_zero_linger(); // it may have ended already
}
