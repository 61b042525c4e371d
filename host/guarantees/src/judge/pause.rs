//! A host that people have paused starts nothing by itself.

use super::record::Number;
use super::{Case, Judge};
use crate::Promise;

impl Judge {
    /// One that stops is not paused any more.
    pub(super) fn paused(&mut self, host: u32) {
        let host = self.hosts.entry(host).or_default();
        host.paused = (!host.draining).then_some(0);
    }

    pub(super) fn tries_one(&mut self, host: u32) {
        if let Some(asked) = self.hosts.get_mut(&host).and_then(|host| host.paused.as_mut()) {
            *asked += 1;
        }
    }

    /// An attempt starts: where the host is paused, it was asked for.
    pub(super) fn check_pause(&mut self, case: Case<'_>, host: u32, number: Number) {
        let Some(asked) = self.hosts.get_mut(&host).and_then(|host| host.paused.as_mut()) else { return };
        let wrong = (*asked == 0).then_some("is begun in a pause, and nobody has asked for it");
        *asked = asked.saturating_sub(1);
        self.check(case, Promise::PauseKept, number, wrong);
    }
}
