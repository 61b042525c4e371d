//! Deletes records from the beginning of a log.

use std::collections::BTreeSet;

use cofferdam_core::message::Position;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};

use super::{Error, LIMIT, Topic, failed};
use crate::dead_letters::filter::Filter;
use crate::dead_letters::purge::Survey;

impl Topic {
    pub(super) async fn surveyed(&self, filter: &Filter) -> Result<Survey, Error> {
        let mut survey = Survey::default();
        let mut ended: BTreeSet<i32> = BTreeSet::new();
        let mut records = self.read();
        while let Some(record) = records.recv().await {
            let record = record?;
            let Position::Offset { partition, offset } = record.position else { continue };
            // A receipt concerns letters before it, so it is deleted together with them.
            let Some(found) = self.found(&record) else { continue };
            match (filter.takes(&found), ended.contains(&partition)) {
                (true, false) => {
                    survey.letters += 1;
                    survey.cut.insert(partition, offset + 1);
                }
                (true, true) => survey.out_of_reach += 1,
                (false, _) => {
                    if ended.insert(partition) {
                        survey.in_the_way.get_or_insert(record.position);
                    }
                }
            }
        }
        // If no letter remains, delete the last receipts too.
        for span in self.spans.iter().filter(|span| span.from < span.to && !ended.contains(&span.partition)) {
            survey.cut.insert(span.partition, span.to);
        }
        Ok(survey)
    }

    pub(super) async fn cut(&self, survey: &Survey) -> Result<u64, Error> {
        let doing = "delete the records";
        if survey.cut.is_empty() {
            return Ok(0);
        }
        let admin: AdminClient<DefaultClientContext> = self.client.create().map_err(|error| failed(doing, &error))?;
        let mut list = TopicPartitionList::new();
        for (partition, offset) in &survey.cut {
            let added = list.add_partition_offset(&self.name, *partition, Offset::Offset(*offset));
            added.map_err(|error| failed(doing, &error))?;
        }
        let options = AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT));
        let answer = admin.delete_records(&list, &options).await.map_err(|error| failed(doing, &error))?;
        for element in answer.elements() {
            element.error().map_err(|error| failed(doing, &error))?;
        }
        Ok(survey.letters)
    }
}
