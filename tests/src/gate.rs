//! A way to a server that can be shut and opened: an outage that loses nothing on the server's side.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A port of its own, from which connections go on to a server while the gate is open. Dropping it ends them.
pub struct Gate {
    address: SocketAddr,
    open: watch::Sender<bool>,
    asked: Arc<AtomicU64>,
    _relays: JoinSet<()>,
}

impl Gate {
    /// An open gate before this server (`http://host:port`).
    ///
    /// # Panics
    /// Where there is no free port.
    pub async fn before(endpoint: &str) -> Gate {
        let server = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the system has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (open, state) = watch::channel(true);
        let asked = Arc::new(AtomicU64::new(0));
        let mut relays = JoinSet::new();
        relays.spawn(accept(listener, server, state, asked.clone()));
        Gate { address, open, asked, _relays: relays }
    }

    /// Where clients connect to.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts every connection, and each new one as soon as it is made.
    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    /// Lets connections through again.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Bytes that clients have sent so far: it grows when a request goes out.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, server: String, state: watch::Receiver<bool>, asked: Arc<AtomicU64>) {
    let mut relays = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while relays.try_join_next().is_some() {}
        if !*state.borrow() {
            continue;
        }
        if let Ok(upstream) = TcpStream::connect(&server).await {
            relays.spawn(relay(client, upstream, state.clone(), asked.clone()));
        }
    }
}

/// Carries bytes both ways until one end closes, or the gate.
async fn relay(client: TcpStream, server: TcpStream, mut state: watch::Receiver<bool>, asked: Arc<AtomicU64>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            asked.fetch_add(count as u64, Ordering::SeqCst);
            if to_server.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    let back = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::select! {
        () = there => {}
        _ = back => {}
        _ = state.wait_for(|open| !open) => {}
    }
}
