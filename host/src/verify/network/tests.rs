//! Proxies before a server that repeats what it is told.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::broker::verify::Names;
use crate::verify::{Delivery, hosts};

fn config(sections: &str) -> Config {
    let sections = sections.parse().unwrap();
    let text = hosts::configuration(&sections, Delivery::default(), &Names::of("1a2b"), 1).to_string();
    Config::parse(&text, std::path::Path::new("slot-1.toml"), &|_| None).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A server that repeats what it is told, and a network before it that takes it for SQS.
async fn echo() -> (Network, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = connection.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    let config = config(&format!("[sqs]\nregion = \"local\"\nendpoint = \"http://{address}/\""));
    let network = Network::open(&config).unwrap().unwrap();
    let (_, endpoint) = network.addresses[0].clone();
    (network, endpoint.trim_start_matches("http://").to_owned())
}

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);

/// What comes back within this time; `None` where nothing does, an error where the connection has ended.
async fn ask(connection: &mut TcpStream, within: Duration) -> Option<io::Result<()>> {
    let asked = async {
        connection.write_all(b"?").await?;
        let mut answer = [0; 1];
        connection.read_exact(&mut answer).await.map(drop)
    };
    timeout(within, asked).await.ok()
}

#[tokio::test]
async fn answers_are_lost_with_their_connection() {
    let (network, address) = echo().await;
    let mut connection = TcpStream::connect(&address).await.unwrap();
    assert!(matches!(ask(&mut connection, LONG).await, Some(Ok(()))));
    network.strike(Fault::LoseAnswers);
    assert!(!network.has_met());
    assert!(matches!(ask(&mut connection, LONG).await, Some(Err(_))));
    assert!(network.has_met());
    assert_eq!(network.struck(), NetworkEffects { answers_lost: 1, ..NetworkEffects::default() });
    network.heal();
    network.strike(Fault::Cut);
    assert!(!network.has_met(), "what the fault before has met does not count");
    network.heal();
    let mut connection = TcpStream::connect(&address).await.unwrap();
    assert!(matches!(ask(&mut connection, LONG).await, Some(Ok(()))));
}

#[tokio::test]
async fn what_is_held_back_goes_on_when_the_network_is_well() {
    for (fault, struck) in [
        (Fault::HoldRequests, NetworkEffects { requests_held: 1, ..NetworkEffects::default() }),
        (Fault::HoldAnswers, NetworkEffects { answers_held: 1, ..NetworkEffects::default() }),
        (Fault::Isolate, NetworkEffects { requests_held: 1, ..NetworkEffects::default() }),
    ] {
        let (network, address) = echo().await;
        let mut connection = TcpStream::connect(&address).await.unwrap();
        network.strike(fault);
        assert!(ask(&mut connection, SHORT).await.is_none(), "{fault:?}");
        assert_eq!(network.struck(), struck, "{fault:?}");
        network.heal();
        let mut answer = [0; 1];
        timeout(LONG, connection.read_exact(&mut answer)).await.expect("an answer").unwrap();
    }
}

#[tokio::test]
async fn a_cut_ends_connections_and_refuses_new_ones() {
    let (network, address) = echo().await;
    let mut before = TcpStream::connect(&address).await.unwrap();
    assert!(matches!(ask(&mut before, LONG).await, Some(Ok(()))));
    network.strike(Fault::Cut);
    assert!(matches!(ask(&mut before, LONG).await, Some(Err(_))));
    let refused = match TcpStream::connect(&address).await {
        Ok(mut connection) => matches!(ask(&mut connection, LONG).await, Some(Err(_))),
        Err(_) => true,
    };
    assert!(refused);
    assert_eq!(network.struck().cut, 2);
    network.heal();
    let mut after = TcpStream::connect(&address).await.unwrap();
    assert!(matches!(ask(&mut after, LONG).await, Some(Ok(()))));
}

#[tokio::test]
async fn bytes_are_delayed_each_way() {
    let (network, address) = echo().await;
    let mut connection = TcpStream::connect(&address).await.unwrap();
    network.strike(Fault::Delay);
    let begun = std::time::Instant::now();
    assert!(matches!(ask(&mut connection, LONG).await, Some(Ok(()))));
    assert!(begun.elapsed() >= 2 * DELAY, "{:?}", begun.elapsed());
    assert_eq!(network.struck(), NetworkEffects { delayed: 2, ..NetworkEffects::default() });
}

#[tokio::test]
async fn the_hosts_are_told_the_addresses_of_the_proxies_and_nothing_else_changes() {
    let text = "[kafka]\nbootstrap_servers = \"PLAINTEXT://one:9093, two\"\nproperties = { \"socket.nagle.disable\" = \"true\" }";
    let network = Network::open(&config(text)).unwrap().unwrap();
    let sections = network.sections(&text.parse().unwrap());
    let servers = sections["kafka"]["bootstrap_servers"].as_str().unwrap();
    assert_eq!(servers.matches("127.0.0.1:").count(), 2, "{servers}");
    assert_eq!(sections["kafka"]["properties"]["socket.nagle.disable"].as_str(), Some("true"));
}

#[tokio::test]
async fn no_proxy_is_between_where_the_connection_is_encrypted_and_the_report_says_so() {
    for (properties, open) in [
        ("", true),
        ("\"security.protocol\" = \"sasl_plaintext\", \"sasl.mechanisms\" = \"PLAIN\"", true),
        ("\"security.protocol\" = \"sasl_plaintext\"", false),
        ("\"security.protocol\" = \"ssl\"", false),
        ("\"security.protocol\" = \"SASL_SSL\"", false),
    ] {
        let config = config(&format!("[kafka]\nbootstrap_servers = \"b:1\"\nproperties = {{ {properties} }}"));
        assert_eq!(Network::open(&config).unwrap().is_some(), open, "{properties}");
        assert_eq!(left_out(&config).is_empty(), open, "{properties}");
    }
    for (sqs, open) in [("endpoint = \"https://s\"", false), ("", false), ("endpoint = \"http://s:1\"", true)] {
        assert_eq!(left_out(&config(&format!("[sqs]\nregion = \"r\"\n{sqs}"))).is_empty(), open, "{sqs}");
    }
}
