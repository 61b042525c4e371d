//! One connection through a gate.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::requests::{Piece, Requests};
use super::{Counts, Pace, Passage, Way, reset};

/// The largest number of bytes in one read.
const CHUNK: usize = 64 << 10;
/// The largest number of chunks in the relay. A client that sends more must wait.
const ON_THE_WAY: usize = 64;

/// Forwards bytes in both directions until one end closes, the gate shuts or the connection is cut.
pub(super) async fn relay(
    client: TcpStream,
    server: TcpStream,
    mut way: watch::Receiver<Way>,
    counts: &Counts,
    kafka: bool,
) {
    let cuts = way.borrow_and_update().cuts;
    // Send small responses without delay.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    // Both halves are needed again at the end, for the reset.
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let silent = AtomicBool::new(false);
    let requests = kafka.then(|| Requests::new(counts, &silent));
    let (up, down) = (Side::Up(counts, requests), Side::Down(&silent));
    let cut = tokio::select! {
        () = carry(&mut from_client, &mut to_server, way.clone(), |way| way.to_server, up) => false,
        () = carry(&mut from_server, &mut to_client, way.clone(), |way| way.to_client, down) => false,
        _ = way.wait_for(|way| way.passage == Passage::Shut || way.cuts != cuts) => true,
    };
    if cut && let Ok(client) = from_client.reunite(to_client) {
        reset(&client);
    }
}

/// The direction of the bytes.
enum Side<'a> {
    /// To the server, with the parser of Kafka requests.
    Up(&'a Counts, Option<Requests<'a>>),
    /// To the client. The flag is set while responses of this connection are held back.
    Down(&'a AtomicBool),
}

impl Side<'_> {
    fn pieces(&mut self, bytes: Vec<u8>) -> Vec<Piece> {
        match self {
            Self::Up(_, Some(requests)) => requests.pieces(&bytes),
            _ => vec![Piece { bytes, api_key: None }],
        }
    }

    /// Waits until the piece may be forwarded.
    async fn pass(&self, piece: &Piece, way: &mut watch::Receiver<Way>) {
        if let (Self::Up(_, Some(requests)), Some(api_key)) = (self, piece.api_key) {
            requests.pass(api_key, way).await;
        }
    }

    fn is_open(&self, way: &Way) -> bool {
        let silent = matches!(self, Self::Down(silent) if silent.load(Ordering::SeqCst));
        way.passage != Passage::Swallowed && !(silent && way.catch.is_some())
    }
}

/// Forwards bytes in one direction until one end closes.
async fn carry(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    way: watch::Receiver<Way>,
    pace: fn(&Way) -> Pace,
    mut side: Side<'_>,
) {
    let (chunks, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let counts = if let Side::Up(counts, _) = &side { Some(*counts) } else { None };
    let take = async {
        let mut buffer = vec![0; CHUNK];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            if let Some(counts) = counts {
                counts.bytes.fetch_add(length as u64, Ordering::SeqCst);
            }
            let due = Instant::now() + pace(&way.borrow()).delay;
            if chunks.send((due, buffer[..length].to_vec())).await.is_err() {
                break;
            }
        }
        drop(chunks);
    };
    let mut passage = way.clone();
    let give = async {
        while let Some((due, chunk)) = arriving.recv().await {
            sleep_until(due).await;
            if matches!(side, Side::Down(_)) && passage.borrow().passage == Passage::Unanswered {
                return;
            }
            for piece in side.pieces(chunk) {
                side.pass(&piece, &mut passage).await;
                let mut rest = &piece.bytes[..];
                while !rest.is_empty() {
                    let Ok(open) = passage.wait_for(|way| side.is_open(way)).await.map(|way| pace(&way)) else {
                        return;
                    };
                    // Send at most the bytes of a twentieth of a second at once.
                    let length = open.rate.map_or(rest.len(), |rate| rest.len().min(1 + rate as usize / 20));
                    let (now, later) = rest.split_at(length);
                    if to.write_all(now).await.is_err() {
                        return;
                    }
                    if let Some(rate) = open.rate {
                        sleep(Duration::from_secs_f64(length as f64 / f64::from(rate.max(1)))).await;
                    }
                    rest = later;
                }
            }
        }
    };
    // After the sender has closed, forward the bytes that were read. After the receiver has closed, read no more.
    let mut give = std::pin::pin!(give);
    tokio::select! {
        () = &mut give => {}
        () = take => give.await,
    }
}
