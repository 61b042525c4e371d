//! Prints the totals when no message was handled for a while, and the message that waits for a command.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::machine::Account;
use cofferdam_core::message::Record;

use super::lines::Look;
use super::waiting::Waiting;
use crate::admin::RouteHealth;

/// Time between two checks.
const LOOK: Duration = Duration::from_millis(100);

/// Number of checks without a change before the totals are printed.
const QUIET: u32 = 5;

/// Prints the status on standard error for as long as it is polled.
pub(super) async fn tell(routes: Vec<Arc<RouteHealth>>, waiting: Arc<Waiting>, look: Look) {
    let (mut before, mut told, mut unchanged) = (Account::default(), Account::default(), 0);
    let mut waits: Option<Arc<Record>> = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let first = waiting.first();
        if let Some(record) = &first
            && waits.as_ref().is_none_or(|known| !Arc::ptr_eq(known, record))
        {
            tell!("{}", look.waiting(record));
        }
        waits = first;
        let mut account = Account::default();
        routes.iter().for_each(|route| account += route.account());
        unchanged = if account == before { unchanged + 1 } else { 0 };
        before = account;
        if unchanged == QUIET && account != told && waits.is_none() {
            tell!("-- {}", spoken(&account));
            told = account;
        }
    }
}

fn spoken(account: &Account) -> String {
    let parts = [
        (account.done, "done", ""),
        (account.dead_lettered, "dead letter", "s"),
        (account.ignored, "ignored", ""),
        (account.duplicates, "duplicate", "s"),
        (account.received.saturating_sub(account.ended()), "in flight", ""),
        (account.retried, "retried", ""),
        (account.outputs, "output", "s"),
    ];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    let parts = parts.map(|(count, what, more)| format!("{count} {what}{}", if count == 1 { "" } else { more }));
    format!("{} received: {}", account.received, parts.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_names_what_there_was() {
        let account =
            Account { received: 12, done: 9, dead_lettered: 1, retried: 4, outputs: 18, ..Account::default() };
        assert_eq!(spoken(&account), "12 received: 9 done, 1 dead letter, 2 in flight, 4 retried, 18 outputs");
    }
}
