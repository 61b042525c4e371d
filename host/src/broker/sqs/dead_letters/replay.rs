//! A replay from a queue. A letter is received, sent, and deleted when its copy is durable. All other letters become
//! visible at the end.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::output::Destination;
use tokio_util::sync::CancellationToken;

use super::walk::Walk;
use super::{Error, Held, Queue};
use crate::broker::sqs::batch::MOST;
use crate::dead_letters::outlet::Outlet;
use crate::dead_letters::pace::{Pace, Rate};
use crate::dead_letters::replay::{CopyResult, Order, Report};

/// The longest duration of one batch at a low rate. Letters are hidden for longer ([`HIDDEN`](super::calls::HIDDEN)).
const BATCH_TIME: Duration = Duration::from_secs(10);

impl Queue {
    pub(super) async fn send_back(
        &self,
        order: &Order,
        outlet: &mut Outlet,
        stop: &CancellationToken,
        report: &mut Report,
    ) -> Result<(), Error> {
        let mut walk = Walk::new(self);
        walk.most = Rate::batch(order.rate, BATCH_TIME, MOST);
        let mut pace = Pace::new(order.rate);
        let replayed = self.all(order, outlet, stop, report, &mut walk, &mut pace).await;
        report.unseen += walk.end().await.unseen;
        report.stopped = stop.is_cancelled();
        replayed
    }

    async fn all(
        &self,
        order: &Order,
        outlet: &mut Outlet,
        stop: &CancellationToken,
        report: &mut Report,
        walk: &mut Walk<'_>,
        pace: &mut Pace,
    ) -> Result<(), Error> {
        order.find_to(outlet).await?;
        let mut chosen = 0;
        while chosen < order.limit && !stop.is_cancelled() {
            // Wait before receiving, so that letters that wait for the rate limit are not hidden from others.
            pace.ready().await;
            let Some(received) = walk.next().await? else { break };
            report.seen(received.len() as u64);
            let (mut batch, mut failed) = (Vec::<(Held, Destination)>::new(), None);
            for held in received {
                let taken = failed.is_none() && chosen < order.limit && order.takes(&held.found, report);
                let way = if taken { order.way(&held.found, outlet, report).await } else { Ok(None) };
                match way {
                    Ok(Some(to)) => {
                        chosen += 1;
                        batch.push((held, to));
                    }
                    Ok(None) => walk.keep(held),
                    Err(error) => {
                        failed = Some(error);
                        walk.keep(held);
                    }
                }
            }
            let (done, not_taken) = self.send(&batch, order, outlet, pace, report).await;
            for ((held, _), done) in batch.into_iter().zip(done) {
                if done { walk.forget(&held) } else { walk.keep(held) }
            }
            if let Some(error) = failed.or(not_taken) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sends the batch and deletes the letters whose copies are durable. Returns these letters, and the reason why the
    /// others were not sent.
    async fn send(
        &self,
        batch: &[(Held, Destination)],
        order: &Order,
        outlet: &Outlet,
        pace: &mut Pace,
        report: &mut Report,
    ) -> (Vec<bool>, Option<Error>) {
        if order.dry {
            batch.iter().for_each(|(_, to)| report.sent(to));
            return (vec![false; batch.len()], None);
        }
        let copies = order.copies(batch.iter().map(|(held, to)| (&held.found, to, None)), outlet, report);
        let results = outlet.send(&copies, pace).await;
        let (mut done, mut failed) = (Vec::with_capacity(batch.len()), None);
        let mut receipts: Vec<Arc<str>> = Vec::new();
        for ((held, to), result) in batch.iter().zip(results) {
            let copied = report.enter(&held.found, to, result);
            done.push(matches!(copied, CopyResult::Durable));
            match copied {
                CopyResult::Durable => receipts.push(Arc::clone(&held.receipt)),
                CopyResult::Refused => {}
                CopyResult::Unknown(reason) => failed = Some(Error::NotTaken { destination: to.clone(), reason }),
            }
        }
        let deleted = self.delete(&receipts).await;
        report.undeleted += deleted.iter().filter(|deleted| deleted.is_err()).count() as u64;
        (done, failed)
    }
}
