//! A set of effects, small for the usual record.

use std::collections::BTreeSet;

use crate::Effect;

const DEAD_LETTER: u32 = 63;
const ERROR_EVENT: u32 = 62;

/// Effects of one record. Outputs from number 62 on need more memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Effects {
    few: u64,
    #[expect(clippy::box_collection, reason = "nearly always absent: one word instead of three")]
    more: Option<Box<BTreeSet<u32>>>,
}

fn bit(effect: Effect) -> Result<u64, u32> {
    match effect {
        Effect::DeadLetter => Ok(1 << DEAD_LETTER),
        Effect::ErrorEvent => Ok(1 << ERROR_EVENT),
        Effect::Output(index) if index < ERROR_EVENT => Ok(1 << index),
        Effect::Output(index) => Err(index),
    }
}

impl Effects {
    /// Adds one; says whether it is new.
    pub(super) fn insert(&mut self, effect: Effect) -> bool {
        match bit(effect) {
            Ok(bit) => {
                let new = self.few & bit == 0;
                self.few |= bit;
                new
            }
            Err(index) => self.more.get_or_insert_default().insert(index),
        }
    }

    pub(super) fn contains(&self, effect: Effect) -> bool {
        match bit(effect) {
            Ok(bit) => self.few & bit != 0,
            Err(index) => self.more.as_ref().is_some_and(|more| more.contains(&index)),
        }
    }

    /// Whether the outputs up to number `count` are all there.
    pub(super) fn has_outputs(&self, count: u32) -> bool {
        (0..count).all(|index| self.contains(Effect::Output(index)))
    }

    /// The first that is not among `others`.
    pub(super) fn missing_in(&self, others: &Self) -> Option<Effect> {
        self.iter().find(|effect| !others.contains(*effect))
    }

    /// The outputs that are there, beside the dead letter and the error event.
    pub(super) fn iter(&self) -> impl Iterator<Item = Effect> {
        let few = self.few;
        let outputs = (0..ERROR_EVENT).filter(move |index| few & (1 << index) != 0);
        let outputs = outputs.chain(self.more.iter().flat_map(|more| more.iter().copied())).map(Effect::Output);
        let others = [Effect::DeadLetter, Effect::ErrorEvent].into_iter().filter(|effect| self.contains(*effect));
        outputs.chain(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_outputs_are_kept_apart() {
        let mut effects = Effects::default();
        for effect in
            [Effect::Output(0), Effect::Output(61), Effect::Output(62), Effect::Output(63), Effect::ErrorEvent]
        {
            assert!(!effects.contains(effect) && effects.insert(effect) && !effects.insert(effect));
        }
        assert!(!effects.contains(Effect::DeadLetter) && !effects.has_outputs(2) && effects.has_outputs(1));
        assert_eq!(effects.missing_in(&Effects::default()), Some(Effect::Output(0)));
        assert_eq!(effects.missing_in(&effects.clone()), None);
        assert_eq!(effects.iter().count(), 5);
    }
}
