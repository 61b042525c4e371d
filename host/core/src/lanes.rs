//! Order within a key: who may run, and who waits behind whom.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};

use bytes::Bytes;
use hashbrown::HashTable;
use slotmap::SlotMap;

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

slotmap::new_key_type! {
    /// A lane, for as long as somebody is in it.
    pub(crate) struct LaneId;
}

/// The lanes that have somebody in them. The head of a lane may run; the others wait.
///
/// A key is hashed once, when a delivery comes; from then on the delivery knows its lane.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: SlotMap<LaneId, Lane>,
    by_key: HashTable<LaneId>,
    /// Keys are chosen by whoever sends messages: theirs is the standard library's hasher, which withstands that.
    hasher: RandomState,
}

#[derive(Debug)]
struct Lane {
    key: LaneKey,
    hash: u64,
    head: DeliveryId,
    /// Does not allocate while nobody waits, the usual case.
    waiting: VecDeque<DeliveryId>,
}

impl Lanes {
    /// Joins the lane of this key; says which it is, and whether the delivery is its head.
    pub(crate) fn enter(&mut self, key: LaneKey, delivery: DeliveryId) -> (LaneId, bool) {
        let hash = self.hasher.hash_one(&key);
        if let Some(id) = self.by_key.find(hash, |id| self.lanes[*id].key == key) {
            self.lanes[*id].waiting.push_back(delivery);
            return (*id, false);
        }
        let id = self.lanes.insert(Lane { key, hash, head: delivery, waiting: VecDeque::new() });
        self.by_key.insert_unique(hash, id, |id| self.lanes[*id].hash);
        (id, true)
    }

    /// The delivery leaves its lane. Returns the new head, if the delivery was the head and somebody waited.
    pub(crate) fn leave(&mut self, id: LaneId, delivery: DeliveryId) -> Option<DeliveryId> {
        let lane = self.lanes.get_mut(id)?;
        if lane.head != delivery {
            lane.waiting.retain(|waiting| *waiting != delivery);
            return None;
        }
        let next = lane.waiting.pop_front();
        match next {
            Some(next) => lane.head = next,
            None => self.end(id),
        }
        next
    }

    fn end(&mut self, id: LaneId) {
        let lane = self.lanes.remove(id);
        if let Some(Ok(entry)) = lane.map(|lane| self.by_key.find_entry(lane.hash, |other| *other == id)) {
            entry.remove();
        }
    }

    /// All that wait behind `delivery` leave the lane. Returns them in order.
    pub(crate) fn cut(&mut self, id: LaneId, delivery: DeliveryId) -> VecDeque<DeliveryId> {
        let Some(lane) = self.lanes.get_mut(id) else { return VecDeque::new() };
        if lane.head == delivery {
            return std::mem::take(&mut lane.waiting);
        }
        let place = lane.waiting.iter().position(|waiting| *waiting == delivery);
        place.map_or_else(VecDeque::new, |place| lane.waiting.split_off(place + 1))
    }

    /// Who runs, or may.
    pub(crate) fn head(&self, id: LaneId) -> Option<DeliveryId> {
        self.lanes.get(id).map(|lane| lane.head)
    }
}

#[cfg(test)]
mod tests {
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
        let (lane, is_head) = lanes.enter(key("a"), first);
        assert!(is_head);
        assert_eq!([lanes.enter(key("a"), second), lanes.enter(key("a"), third)], [(lane, false); 2]);
        let (another, is_head) = lanes.enter(key("b"), other);
        assert!(is_head && another != lane);
        assert_eq!(lanes.leave(lane, first), Some(second));
        assert_eq!(lanes.leave(lane, second), Some(third));
        assert_eq!(lanes.leave(lane, third), None);
        assert_eq!(lanes.leave(lane, third), None, "the lane is gone");
        let (anew, is_head) = lanes.enter(key("a"), second);
        assert!(is_head && anew != lane, "and starts anew");
    }

    #[test]
    fn one_that_waits_may_leave_without_moving_the_head() {
        let [first, second, third] = ids();
        let mut lanes = Lanes::default();
        let [lane, ..] = [first, second, third].map(|id| lanes.enter(key("a"), id).0);
        assert_eq!(lanes.leave(lane, second), None);
        assert_eq!(lanes.leave(lane, first), Some(third));
    }

    #[test]
    fn a_lane_is_cut_behind_whom_it_is_asked_for() {
        let [first, second, third, fourth, stranger] = ids();
        let mut lanes = Lanes::default();
        let [lane, ..] = [first, second, third, fourth].map(|id| lanes.enter(key("a"), id).0);
        assert_eq!(lanes.cut(lane, stranger), []);
        assert_eq!(lanes.cut(lane, second), [third, fourth]);
        assert_eq!(lanes.cut(lane, first), [second]);
        assert_eq!(lanes.cut(lane, first), []);
        assert_eq!(lanes.leave(lane, first), None);
        assert_eq!(lanes.cut(lane, first), []);
    }
}
