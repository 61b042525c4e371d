//! Deletes letters from a queue one by one.

use super::walk::Walk;
use super::{Error, Queue};
use crate::dead_letters::filter::Filter;
use crate::dead_letters::purge::Survey;
use crate::dead_letters::{DeadLetters, Found, Next};

impl Queue {
    pub(super) async fn surveyed(&self, filter: &Filter) -> Result<Survey, Error> {
        let mut survey = Survey::default();
        let mut look = |found: Found| {
            survey.letters += u64::from(filter.takes(&found));
            Next::More
        };
        let looked = self.look(&mut look).await?;
        Ok(Survey { unseen: looked.unseen, ..survey })
    }

    pub(super) async fn delete_all(&self, filter: &Filter) -> Result<u64, Error> {
        let mut walk = Walk::new(self);
        let purged = async {
            let mut deleted = 0;
            while let Some(received) = walk.next().await? {
                let (meant, others): (Vec<_>, Vec<_>) =
                    received.into_iter().partition(|held| filter.takes(&held.found));
                others.into_iter().for_each(|held| walk.keep(held));
                let receipts: Vec<_> = meant.iter().map(|held| held.receipt.clone()).collect();
                for (held, answer) in meant.into_iter().zip(self.delete(&receipts).await) {
                    match answer {
                        Ok(()) => {
                            deleted += 1;
                            walk.forget(&held);
                        }
                        Err(fault) => {
                            walk.keep(held);
                            return Err(self.failed("delete a message", &fault));
                        }
                    }
                }
            }
            Ok(deleted)
        };
        let purged = purged.await;
        walk.end().await;
        purged
    }
}
