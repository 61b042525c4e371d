//! Order within a key: who may run, and who waits behind whom.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::event::DeliveryId;

/// What keeps its order on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Every record of a partition waits for the one before it.
    Partition,
    /// Records of one key wait for each other; the empty key is a key, and records without one have no order.
    #[default]
    Key,
    /// Nothing waits.
    None,
}

/// What the deliveries of one lane have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum LaneKey {
    Partition(u64),
    Key(u64, Bytes),
}

impl LaneKey {
    /// The lane of a record of `partition` with `key`; `None` where it waits for nobody.
    pub(crate) fn of(order: Order, partition: u64, key: Option<&Bytes>) -> Option<Self> {
        match order {
            Order::Partition => Some(Self::Partition(partition)),
            Order::Key => key.map(|key| Self::Key(partition, key.clone())),
            Order::None => None,
        }
    }
}

/// The lanes that have somebody in them. The head of a lane may run; the others wait.
#[derive(Debug, Default)]
pub(crate) struct Lanes(HashMap<LaneKey, Lane>);

#[derive(Debug)]
struct Lane {
    head: DeliveryId,
    /// Does not allocate while nobody waits, the usual case.
    waiting: VecDeque<DeliveryId>,
}

impl Lanes {
    /// Joins the lane; says whether the delivery is its head.
    pub(crate) fn enter(&mut self, key: &LaneKey, delivery: DeliveryId) -> bool {
        if let Some(lane) = self.0.get_mut(key) {
            lane.waiting.push_back(delivery);
            return false;
        }
        self.0.insert(key.clone(), Lane { head: delivery, waiting: VecDeque::new() });
        true
    }

    /// The delivery leaves its lane. Returns the new head, if the delivery was the head and somebody waited.
    pub(crate) fn leave(&mut self, key: &LaneKey, delivery: DeliveryId) -> Option<DeliveryId> {
        let lane = self.0.get_mut(key)?;
        if lane.head != delivery {
            lane.waiting.retain(|waiting| *waiting != delivery);
            return None;
        }
        let next = lane.waiting.pop_front();
        match next {
            Some(next) => lane.head = next,
            None => drop(self.0.remove(key)),
        }
        next
    }

    /// All that wait behind `delivery` leave the lane. Returns them in order.
    pub(crate) fn cut(&mut self, key: &LaneKey, delivery: DeliveryId) -> VecDeque<DeliveryId> {
        let Some(lane) = self.0.get_mut(key) else { return VecDeque::new() };
        if lane.head == delivery {
            return std::mem::take(&mut lane.waiting);
        }
        let place = lane.waiting.iter().position(|waiting| *waiting == delivery);
        place.map_or_else(VecDeque::new, |place| lane.waiting.split_off(place + 1))
    }

    /// Who may run, if anybody is there.
    pub(crate) fn head(&self, key: &LaneKey) -> Option<DeliveryId> {
        self.0.get(key).map(|lane| lane.head)
    }
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    fn ids<const N: usize>() -> [DeliveryId; N] {
        let mut slots = SlotMap::with_key();
        std::array::from_fn(|_| slots.insert(()))
    }

    fn key(text: &'static str) -> LaneKey {
        LaneKey::Key(0, Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn the_empty_key_is_a_key_and_no_key_waits_for_nobody() {
        let empty = Bytes::new();
        assert_eq!(LaneKey::of(Order::Key, 3, Some(&empty)), Some(LaneKey::Key(3, Bytes::new())));
        assert_eq!(LaneKey::of(Order::Key, 3, None), None);
        assert_eq!(LaneKey::of(Order::Partition, 3, None), Some(LaneKey::Partition(3)));
        assert_eq!(LaneKey::of(Order::None, 3, Some(&empty)), None);
    }

    #[test]
    fn each_becomes_the_head_in_the_order_of_arrival() {
        let [first, second, third, other] = ids();
        let mut lanes = Lanes::default();
        assert!(lanes.enter(&key("a"), first));
        assert!(!lanes.enter(&key("a"), second) && !lanes.enter(&key("a"), third));
        assert!(lanes.enter(&key("b"), other), "another lane");
        assert_eq!(lanes.leave(&key("a"), first), Some(second));
        assert_eq!(lanes.leave(&key("a"), second), Some(third));
        assert_eq!(lanes.leave(&key("a"), third), None);
        assert_eq!(lanes.leave(&key("a"), third), None, "the lane is gone");
        assert!(lanes.enter(&key("a"), second), "and starts anew");
    }

    #[test]
    fn one_that_waits_may_leave_without_moving_the_head() {
        let [first, second, third] = ids();
        let mut lanes = Lanes::default();
        for id in [first, second, third] {
            lanes.enter(&key("a"), id);
        }
        assert_eq!(lanes.leave(&key("a"), second), None);
        assert_eq!(lanes.leave(&key("a"), first), Some(third));
    }

    #[test]
    fn a_lane_is_cut_behind_whom_it_is_asked_for() {
        let [first, second, third, fourth, stranger] = ids();
        let mut lanes = Lanes::default();
        for id in [first, second, third, fourth] {
            lanes.enter(&key("a"), id);
        }
        assert_eq!(lanes.cut(&key("a"), stranger), []);
        assert_eq!(lanes.cut(&key("a"), second), [third, fourth]);
        assert_eq!(lanes.cut(&key("a"), first), [second]);
        assert_eq!(lanes.cut(&key("a"), first), []);
        assert_eq!(lanes.cut(&key("b"), first), []);
        assert_eq!(lanes.leave(&key("a"), first), None);
    }
}
