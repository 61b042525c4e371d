//! A replay from a topic, batch by batch, with a receipt before and after each batch.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_core::event::Refusal;
use cofferdam_core::message::Position;
use cofferdam_core::output::Destination;
use tokio_util::sync::CancellationToken;

use super::receipt::{Offsets, Receipt, State};
use super::{Error, Found, Topic};
use crate::broker::kafka;
use crate::dead_letters::outlet::{Copy, Outlet};
use crate::dead_letters::pace::{Pace, Rate};
use crate::dead_letters::replay::{BATCH, CopyResult, Order, Report};

/// The longest duration of one batch at a low rate.
const BATCH_TIME: std::time::Duration = std::time::Duration::from_secs(1);

/// A letter to send: its position and its destination.
struct Chosen {
    found: Found,
    place: (i32, i64),
    to: Destination,
}

/// The progress of each partition.
pub(super) type Marks = BTreeMap<i32, Mark>;

/// The progress of a partition: no letter is left before this point.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    /// The offset after the last record that was read.
    reached: i64,
    /// The offset of the first letter that remains.
    open: Option<i64>,
}

impl Mark {
    pub(super) fn offset(self) -> i64 {
        self.open.unwrap_or(self.reached)
    }

    fn stays(&mut self, offset: i64) {
        self.open = Some(self.open.map_or(offset, |open| open.min(offset)));
    }
}

impl Topic {
    pub(super) async fn send_back(
        &self,
        order: &Order,
        outlet: &mut Outlet,
        stop: &CancellationToken,
        report: &mut Report,
    ) -> Result<(), Error> {
        let mut marks: Marks =
            self.spans.iter().map(|span| (span.partition, Mark { reached: span.from, open: None })).collect();
        let replayed = self.all(order, outlet, stop, report, &mut marks).await;
        if !order.dry {
            self.commit(&marks).await;
        }
        replayed
    }

    async fn all(
        &self,
        order: &Order,
        outlet: &mut Outlet,
        stop: &CancellationToken,
        report: &mut Report,
        marks: &mut Marks,
    ) -> Result<(), Error> {
        if !order.dry {
            outlet.find(&kafka::topic(self.name.clone())).await?;
        }
        order.find_to(outlet).await?;
        let mut pace = Pace::new(order.rate);
        let most = Rate::batch(order.rate, BATCH_TIME, BATCH);
        let mut batch: Vec<Chosen> = Vec::new();
        let mut chosen = 0;
        let mut records = self.read();
        while chosen < order.limit && !stop.is_cancelled() {
            let Some(record) = records.recv().await else { break };
            let record = record?;
            let Position::Offset { partition, offset } = record.position else { continue };
            let mark = marks.entry(partition).or_default();
            mark.reached = offset + 1;
            let Some(found) = self.found(&record) else { continue };
            report.seen(1);
            let unsent = found.replays.count == 0 || found.replays.in_doubt;
            let to = if order.takes(&found, report) { order.way(&found, outlet, report).await? } else { None };
            match to {
                Some(to) => {
                    chosen += 1;
                    batch.push(Chosen { found, place: (partition, offset), to });
                }
                None if unsent => mark.stays(offset),
                None => {}
            }
            if batch.len() == most {
                self.send(std::mem::take(&mut batch), order, outlet, &mut pace, report, marks).await?;
            }
        }
        self.send(batch, order, outlet, &mut pace, report, marks).await?;
        report.stopped = stop.is_cancelled();
        Ok(())
    }

    async fn send(
        &self,
        batch: Vec<Chosen>,
        order: &Order,
        outlet: &mut Outlet,
        pace: &mut Pace,
        report: &mut Report,
        marks: &mut Marks,
    ) -> Result<(), Error> {
        if order.dry {
            for one in &batch {
                report.sent(&one.to);
                report.repeated += u64::from(one.found.replays.in_doubt);
            }
            return Ok(());
        }
        // A letter remains until its receipt is durable.
        let mut stays: BTreeSet<(i32, i64)> = batch.iter().map(|one| one.place).collect();
        let sent = self.send_now(&batch, order, outlet, pace, report, &mut stays).await;
        for (partition, offset) in stays {
            marks.entry(partition).or_default().stays(offset);
        }
        sent
    }

    async fn send_now(
        &self,
        batch: &[Chosen],
        order: &Order,
        outlet: &mut Outlet,
        pace: &mut Pace,
        report: &mut Report,
        stays: &mut BTreeSet<(i32, i64)>,
    ) -> Result<(), Error> {
        self.write(batch.iter(), State::Sending, order, outlet).await?;
        let doubt = |one: &Chosen| self.states.doubt(one.place.0, one.place.1);
        let copies = order.copies(batch.iter().map(|one| (&one.found, &one.to, doubt(one))), outlet, report);
        let results = outlet.send(&copies, pace).await;
        let (mut durable, mut refused, mut failed) = (Vec::new(), Vec::new(), None);
        for (one, result) in batch.iter().zip(results) {
            match report.enter(&one.found, &one.to, result) {
                CopyResult::Durable => {
                    report.repeated += u64::from(one.found.replays.in_doubt);
                    durable.push(one);
                }
                CopyResult::Refused => refused.push(one),
                CopyResult::Unknown(reason) => failed = Some(Error::NotTaken { destination: one.to.clone(), reason }),
            }
        }
        self.write(durable.iter().copied(), State::Replayed, order, outlet).await?;
        for one in &durable {
            stays.remove(&one.place);
        }
        self.write(refused.into_iter(), State::Refused, order, outlet).await?;
        failed.map_or(Ok(()), Err)
    }

    /// Writes the receipts of these letters, each into the partition of its letters, and waits until they are durable.
    async fn write<'a>(
        &self,
        letters: impl Iterator<Item = &'a Chosen>,
        state: State,
        order: &Order,
        outlet: &Outlet,
    ) -> Result<(), Error> {
        let mut receipts: BTreeMap<(i32, String, String), BTreeSet<i64>> = BTreeMap::new();
        for one in letters {
            let (partition, offset) = one.place;
            let own = || (order.id.clone(), order.time.to_string());
            let (id, time) = self.states.doubt(partition, offset).cloned().unwrap_or_else(own);
            receipts.entry((partition, id, time)).or_default().insert(offset);
        }
        let receipt = |((partition, replay, time), offsets): ((i32, String, String), BTreeSet<i64>)| {
            let topic = self.name.to_string();
            let receipt = Receipt { state, replay, time, topic, offsets: Offsets::of(&offsets)? };
            Some(Copy { publication: receipt.publication(), partition: Some(partition) })
        };
        let receipts: Vec<Copy> = receipts.into_iter().filter_map(receipt).collect();
        let results = outlet.send(&receipts, &mut Pace::new(None)).await;
        results.into_iter().try_for_each(|result| {
            result.map_err(|refusal| {
                let (Refusal::Unavailable(reason) | Refusal::Rejected(_, reason)) = refusal;
                Error::NotTaken { destination: kafka::topic(self.name.clone()), reason }
            })
        })
    }
}
