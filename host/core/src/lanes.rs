//! Order within a key: lanes (key queues) of deliveries.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use slotmap::SlotMap;

use crate::ids::DeliveryId;

/// The scope of ordering on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Every record of a partition waits for the one before it.
    Partition,
    /// Records with the same key wait for each other. The empty key is a key; records without a key have no order.
    #[default]
    Key,
    /// No record waits for another.
    None,
}

/// The common key of the deliveries in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LaneKey<'a> {
    Partition(u64),
    Key(u64, &'a [u8]),
}

impl<'a> LaneKey<'a> {
    /// The lane of a record of `partition` with `key`; `None` for a record without order.
    pub(crate) fn of(order: Order, partition: u64, key: Option<&'a [u8]>) -> Option<Self> {
        match order {
            Order::Partition => Some(Self::Partition(partition)),
            Order::Key => key.map(|key| Self::Key(partition, key)),
            Order::None => None,
        }
    }
}

/// The hash of a [`LaneKey`], which stands for it: the key itself is not kept.
///
/// Two keys with equal hashes (one pair in 2^64) share a lane: they wait for each other without need, and both keep
/// their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LaneHash(u64);

slotmap::new_key_type! {
    /// A lane, while it contains deliveries.
    pub(crate) struct LaneId;
}

/// All lanes that contain deliveries. The head of a lane may run; the others wait behind it.
///
/// After its handler succeeds, the head passes the lane on and stays in it until its outputs are durable: it is *ahead*.
/// So handlers of a key run while outputs of the same key are in flight, and the lane still has their order.
///
/// A key is hashed once, when a delivery enters; the delivery then stores its lane.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: SlotMap<LaneId, Lane>,
    by_hash: HashTable<LaneId>,
    /// Producers choose keys, so this map uses the standard library's hasher, which resists crafted collisions.
    hasher: RandomState,
    /// Number of deliveries behind heads that wait for a retry.
    halted: usize,
}

#[derive(Debug)]
struct Lane {
    hash: LaneHash,
    head: Option<DeliveryId>,
    /// The waiting deliveries; empty in the usual case, without an allocation.
    waiting: VecDeque<DeliveryId>,
    ahead: Ahead,
    /// The sink refused an output of the first delivery ahead: nothing behind it may be sent.
    blocked: bool,
    /// Some publications in the lane wait for publications ahead of them.
    stalled: bool,
    /// Whether the head waits for a retry.
    halted: bool,
}

/// Deliveries with outputs in flight, in order. A single one, the usual case, needs no allocation.
#[derive(Debug, Default)]
struct Ahead {
    first: Option<DeliveryId>,
    rest: VecDeque<DeliveryId>,
}

impl Ahead {
    fn push(&mut self, delivery: DeliveryId) {
        match self.first {
            None => self.first = Some(delivery),
            Some(_) => self.rest.push_back(delivery),
        }
    }

    /// Returns whether it was present.
    fn remove(&mut self, delivery: DeliveryId) -> bool {
        if self.first == Some(delivery) {
            self.first = self.rest.pop_front();
            return true;
        }
        let place = self.rest.iter().position(|other| *other == delivery);
        place.and_then(|place| self.rest.remove(place)).is_some()
    }

    fn iter(&self) -> impl Iterator<Item = DeliveryId> {
        self.first.into_iter().chain(self.rest.iter().copied())
    }
}

impl Lanes {
    /// The hash that identifies the lane of this key.
    pub(crate) fn hash(&self, key: LaneKey<'_>) -> LaneHash {
        LaneHash(self.hasher.hash_one(key))
    }

    /// Adds the delivery to the lane of this key; returns the lane and whether the delivery is its head.
    pub(crate) fn enter(&mut self, hash: LaneHash, delivery: DeliveryId) -> (LaneId, bool) {
        let lanes = &mut self.lanes;
        let rehash = |id: &LaneId| lanes[*id].hash.0;
        match self.by_hash.entry(hash.0, |id| lanes[*id].hash == hash, rehash) {
            Entry::Occupied(entry) => {
                let lane = &mut lanes[*entry.get()];
                let is_head = lane.head.is_none();
                if is_head {
                    lane.head = Some(delivery);
                } else {
                    lane.waiting.push_back(delivery);
                    self.halted += usize::from(lane.halted);
                }
                (*entry.get(), is_head)
            }
            Entry::Vacant(entry) => {
                let (head, waiting, ahead) = (Some(delivery), VecDeque::new(), Ahead::default());
                let id =
                    lanes.insert(Lane { hash, head, waiting, ahead, blocked: false, stalled: false, halted: false });
                entry.insert(id);
                (id, true)
            }
        }
    }

    /// Removes the delivery from its lane. Returns the new head, if the delivery was the head and another waited.
    pub(crate) fn leave(&mut self, id: LaneId, delivery: DeliveryId) -> Option<DeliveryId> {
        let lane = self.lanes.get_mut(id)?;
        let mut next = None;
        if lane.head == Some(delivery) {
            if std::mem::take(&mut lane.halted) {
                self.halted -= lane.waiting.len();
            }
            lane.head = lane.waiting.pop_front();
            next = lane.head;
        } else if !lane.ahead.remove(delivery) {
            let before = lane.waiting.len();
            lane.waiting.retain(|waiting| *waiting != delivery);
            self.halted -= if lane.halted { before - lane.waiting.len() } else { 0 };
        }
        lane.blocked &= lane.ahead.first.is_some();
        if lane.head.is_none() && lane.ahead.first.is_none() {
            self.end(id);
        }
        next
    }

    /// The head passes the lane on and stays ahead of the others until it leaves. Returns the new head.
    pub(crate) fn hand_on(&mut self, id: LaneId, delivery: DeliveryId) -> Option<DeliveryId> {
        let lane = self.lanes.get_mut(id).filter(|lane| lane.head == Some(delivery))?;
        lane.ahead.push(delivery);
        lane.head = lane.waiting.pop_front();
        lane.head
    }

    /// Whether an output of the first one ahead was refused, so that nothing behind it may be sent.
    pub(crate) fn is_blocked(&self, id: LaneId) -> bool {
        self.lanes.get(id).is_some_and(|lane| lane.blocked)
    }

    /// Blocks or unblocks everything behind the first delivery ahead.
    pub(crate) fn set_blocked(&mut self, id: LaneId, blocked: bool) {
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.blocked = blocked;
        }
    }

    /// Sets whether publications in the lane wait for publications ahead of them.
    pub(crate) fn set_stalled(&mut self, id: LaneId, stalled: bool) {
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.stalled = stalled;
        }
    }

    /// Whether publications in the lane wait for publications ahead of them.
    pub(crate) fn is_stalled(&self, id: LaneId) -> bool {
        self.lanes.get(id).is_some_and(|lane| lane.stalled)
    }

    /// Whether this delivery is the first one ahead.
    pub(crate) fn is_first(&self, id: LaneId, delivery: DeliveryId) -> bool {
        self.lanes.get(id).is_some_and(|lane| lane.ahead.first == Some(delivery))
    }

    /// Whether another delivery is ahead of this one.
    pub(crate) fn is_behind(&self, id: LaneId, delivery: DeliveryId) -> bool {
        self.lanes.get(id).is_some_and(|lane| lane.ahead.first.is_some_and(|first| first != delivery))
    }

    /// The deliveries ahead, in order, and then the head.
    pub(crate) fn in_order(&self, id: LaneId) -> Vec<DeliveryId> {
        self.lanes.get(id).map_or_else(Vec::new, |lane| lane.ahead.iter().chain(lane.head).collect())
    }

    fn end(&mut self, id: LaneId) {
        let lane = self.lanes.remove(id);
        if let Some(Ok(entry)) = lane.map(|lane| self.by_hash.find_entry(lane.hash.0, |other| *other == id)) {
            entry.remove();
        }
    }

    /// Removes all deliveries that wait behind `delivery`. Returns them in order.
    pub(crate) fn cut(&mut self, id: LaneId, delivery: DeliveryId) -> VecDeque<DeliveryId> {
        let Some(lane) = self.lanes.get_mut(id) else { return VecDeque::new() };
        let cut = if lane.head == Some(delivery) {
            std::mem::take(&mut lane.waiting)
        } else {
            let place = lane.waiting.iter().position(|waiting| *waiting == delivery);
            place.map_or_else(VecDeque::new, |place| lane.waiting.split_off(place + 1))
        };
        self.halted -= if lane.halted { cut.len() } else { 0 };
        cut
    }

    /// Sets whether the head of the lane waits for a retry.
    pub(crate) fn halt(&mut self, id: LaneId, halted: bool) {
        let Some(lane) = self.lanes.get_mut(id) else { return };
        match (std::mem::replace(&mut lane.halted, halted), halted) {
            (false, true) => self.halted += lane.waiting.len(),
            (true, false) => self.halted -= lane.waiting.len(),
            _ => {}
        }
    }

    /// Number of deliveries behind heads that wait for a retry; none of them can start before that.
    pub(crate) fn halted(&self) -> usize {
        self.halted
    }

    /// The hash that identifies the lane, also after it has ended and another begun.
    pub(crate) fn hash_of(&self, id: LaneId) -> Option<LaneHash> {
        self.lanes.get(id).map(|lane| lane.hash)
    }

    /// Whether a delivery waits behind the head.
    pub(crate) fn has_waiting(&self, id: LaneId) -> bool {
        self.lanes.get(id).is_some_and(|lane| !lane.waiting.is_empty())
    }

    /// The delivery at the head of the lane, which runs or may run.
    pub(crate) fn head(&self, id: LaneId) -> Option<DeliveryId> {
        self.lanes.get(id)?.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<const N: usize>() -> [DeliveryId; N] {
        let mut slots = SlotMap::with_key();
        std::array::from_fn(|_| slots.insert(()))
    }

    fn hash(lanes: &Lanes, key: &str) -> LaneHash {
        lanes.hash(LaneKey::Key(0, key.as_bytes()))
    }

    #[test]
    fn the_empty_key_is_a_key_and_no_key_waits_for_nobody() {
        assert_eq!(LaneKey::of(Order::Key, 3, Some(b"")), Some(LaneKey::Key(3, b"")));
        assert_eq!(LaneKey::of(Order::Key, 3, None), None);
        assert_eq!(LaneKey::of(Order::Partition, 3, None), Some(LaneKey::Partition(3)));
        assert_eq!(LaneKey::of(Order::None, 3, Some(b"")), None);
    }

    #[test]
    fn each_becomes_the_head_in_the_order_of_arrival() {
        let [first, second, third, other] = ids();
        let mut lanes = Lanes::default();
        let a = hash(&lanes, "a");
        let (lane, is_head) = lanes.enter(a, first);
        assert!(is_head);
        assert_eq!([lanes.enter(a, second), lanes.enter(a, third)], [(lane, false); 2]);
        let b = hash(&lanes, "b");
        let (another, is_head) = lanes.enter(b, other);
        assert!(is_head && another != lane);
        assert_eq!(lanes.leave(lane, first), Some(second));
        assert_eq!(lanes.leave(lane, second), Some(third));
        assert_eq!(lanes.leave(lane, third), None);
        assert_eq!(lanes.leave(lane, third), None, "the lane is gone");
        let (anew, is_head) = lanes.enter(a, second);
        assert!(is_head && anew != lane, "and starts anew");
    }

    #[test]
    fn who_hands_the_lane_on_stays_ahead_until_it_leaves() {
        let [first, second, third] = ids();
        let mut lanes = Lanes::default();
        let a = hash(&lanes, "a");
        let [lane, ..] = [first, second].map(|id| lanes.enter(a, id).0);
        assert_eq!(lanes.hand_on(lane, first), Some(second));
        assert_eq!(lanes.hand_on(lane, first), None, "it is the head no more");
        assert_eq!(lanes.hand_on(lane, second), None);
        assert_eq!(lanes.enter(a, third), (lane, true), "nobody else may run");
        assert_eq!(lanes.in_order(lane), [first, second, third]);
        assert!(lanes.is_first(lane, first) && !lanes.is_behind(lane, first));
        assert!(lanes.is_behind(lane, second) && lanes.is_behind(lane, third));
        lanes.set_blocked(lane, true);
        assert_eq!(lanes.leave(lane, second), None);
        assert!(lanes.is_blocked(lane));
        assert_eq!(lanes.leave(lane, first), None);
        assert!(!lanes.is_blocked(lane), "nobody is ahead whom others have to wait for");
        assert_eq!(lanes.head(lane), Some(third));
        assert_eq!(lanes.leave(lane, third), None);
        assert_ne!(lanes.enter(a, first).0, lane, "the lane has ended");
    }

    #[test]
    fn keys_have_the_same_lane_only_where_they_are_the_same() {
        let lanes = Lanes::default();
        let keys = [LaneKey::Key(0, b"a"), LaneKey::Key(1, b"a"), LaneKey::Key(0, b"b"), LaneKey::Partition(0)];
        for (number, key) in keys.into_iter().enumerate() {
            let same = keys.map(|other| lanes.hash(other) == lanes.hash(key));
            assert_eq!(same, std::array::from_fn(|other| other == number), "{key:?}");
        }
    }

    #[test]
    fn one_that_waits_may_leave_without_moving_the_head() {
        let [first, second, third] = ids();
        let mut lanes = Lanes::default();
        let a = hash(&lanes, "a");
        let [lane, ..] = [first, second, third].map(|id| lanes.enter(a, id).0);
        assert_eq!(lanes.leave(lane, second), None);
        assert_eq!(lanes.leave(lane, first), Some(third));
    }

    #[test]
    fn those_behind_a_head_that_waits_are_counted_whatever_comes_and_goes() {
        let [first, second, third, fourth, fifth] = ids();
        let mut lanes = Lanes::default();
        let a = hash(&lanes, "a");
        let [lane, ..] = [first, second].map(|id| lanes.enter(a, id).0);
        assert!(lanes.has_waiting(lane));
        lanes.halt(lane, true);
        lanes.halt(lane, true);
        assert_eq!(lanes.halted(), 1);
        assert_eq!([third, fourth, fifth].map(|id| lanes.enter(a, id).1), [false; 3]);
        assert_eq!(lanes.halted(), 4);
        lanes.leave(lane, third);
        assert_eq!(lanes.halted(), 3);
        lanes.cut(lane, fourth);
        assert_eq!(lanes.halted(), 2);
        lanes.halt(lane, false);
        assert_eq!(lanes.halted(), 0);
        lanes.halt(lane, true);
        assert_eq!(lanes.leave(lane, first), Some(second));
        assert_eq!(lanes.halted(), 0, "the next head may start");
        lanes.halt(lane, true);
        assert_eq!((lanes.halted(), lanes.cut(lane, second).len(), lanes.halted()), (1, 1, 0));
    }

    #[test]
    fn a_lane_is_cut_behind_whom_it_is_asked_for() {
        let [first, second, third, fourth, stranger] = ids();
        let mut lanes = Lanes::default();
        let a = hash(&lanes, "a");
        let [lane, ..] = [first, second, third, fourth].map(|id| lanes.enter(a, id).0);
        assert_eq!(lanes.cut(lane, stranger), []);
        assert_eq!(lanes.cut(lane, second), [third, fourth]);
        assert_eq!(lanes.cut(lane, first), [second]);
        assert_eq!(lanes.cut(lane, first), []);
        assert_eq!(lanes.leave(lane, first), None);
        assert_eq!(lanes.cut(lane, first), []);
    }
}
