//! A handler that asks for the outside: `{"do": "count"}`, `"fetch"`, `"need"`, `"insist"`, `"tell"`, `"leave"`, `"open"`.

use cofferdam_sdk::{Failure, Message, Output, config, handler, http, keyvalue, log};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum What {
    /// Adds one to the number of this name in the bucket `caller`, and answers with the sum.
    Count { name: String },
    /// Makes a request, and answers with status and body, or with what went wrong; `follow` goes where a redirect leads.
    Fetch {
        #[serde(default = "get")]
        method: String,
        url: String,
        #[serde(default)]
        body: String,
        #[serde(default)]
        follow: bool,
    },
    /// Says the secret of this name wherever it can: in the log, on both standard streams, and in a failure; or in this place
    /// alone.
    Tell {
        secret: String,
        #[serde(default)]
        place: String,
    },
    /// Makes a request, and fails as it fails.
    Need { url: String },
    /// Makes a request again and again until it is answered.
    Insist { url: String },
    /// Begins a request to a host and leaves it.
    Leave { host: String },
    /// Opens a bucket.
    Open { bucket: String },
}

fn get() -> String {
    "GET".to_owned()
}

/// Does what the message says.
///
/// # Errors
/// As the message says.
pub fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    let answer = match message.json()? {
        What::Count { name } => {
            let sum = keyvalue::open("caller")?.increment(&name, 1)?;
            json!({ "name": name, "sum": sum })
        }
        What::Fetch { method, url, body, follow } => {
            let mut answer = http::request(method, url).body(body).send();
            if let (Ok(first), true) = (&answer, follow)
                && let Some((_, place)) = first.headers.iter().find(|(name, _)| name == "location")
            {
                answer = http::get(String::from_utf8_lossy(place)).send();
            }
            match answer {
                Ok(answer) => json!({ "status": answer.status, "body": String::from_utf8_lossy(&answer.body) }),
                Err(error) => json!({ "error": format!("{error:?}") }),
            }
        }
        What::Tell { secret, place } => {
            let secret = config::require(&secret)?;
            if !place.is_empty() {
                return tell(&secret, &place);
            }
            log::info(format!("in the log: {secret}"));
            println!("on standard output: {secret}");
            eprintln!("on standard error: {secret}");
            return Err(Failure::permanent("TOLD", format!("in the failure: {secret}")));
        }
        What::Need { url } => json!({ "status": http::get(url).send()?.status }),
        What::Insist { url } => {
            while http::get(&url).send().is_err() {}
            json!({ "answered": true })
        }
        What::Leave { host } => json!({ "left": leave(&host) }),
        What::Open { bucket } => json!({ "opened": keyvalue::open(&bucket).is_ok() }),
    };
    Ok(vec![Output::json("out", &answer)?])
}

/// Says the secret in a place that the host makes a text of.
fn tell(secret: &str, place: &str) -> Result<Vec<Output>, Failure> {
    let long = |length: usize| "x".repeat(length);
    match place {
        "code" => return Err(Failure::permanent(secret, "as a code")),
        "output" => return Ok(vec![Output::new(secret, "")]),
        // Where a text of 4096 bytes is cut.
        "long output" => return Ok(vec![Output::new(long(4_060) + secret, "")]),
        "long attribute" => {
            let name = long(4_030) + secret;
            return Ok(vec![Output::new("out", "").attribute(&*name, "1").attribute(&*name, "2")]);
        }
        // Where a line of 8192 bytes is broken.
        "long line" => println!("{}{secret}", long(8_185)),
        "lines" => eprintln!("{secret}"),
        "panic" => panic!("{secret}"),
        "bucket" => drop(keyvalue::open(secret)),
        _ => drop(http::get(format!("https://{secret}.test/{secret}")).send()),
    }
    Err(Failure::permanent("TOLD", "not here"))
}

/// Whether it began.
#[cfg(target_family = "wasm")]
fn leave(host: &str) -> bool {
    use wasip2::http::outgoing_handler::handle;
    use wasip2::http::types::{Fields, OutgoingRequest, Scheme};

    let request = OutgoingRequest::new(Fields::new());
    let set = request.set_scheme(Some(&Scheme::Http)).and_then(|()| request.set_authority(Some(host)));
    let set = set.and_then(|()| request.set_path_with_query(Some("/")));
    set.is_ok() && handle(request, None).map(std::mem::forget).is_ok()
}

/// Only a component can.
#[cfg(not(target_family = "wasm"))]
fn leave(_: &str) -> bool {
    false
}

handler!(handle);
