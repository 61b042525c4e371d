//! Which faults strike, and in which order.

use crate::verify::Fault;

/// Kinds with this share strike in every run that is long enough. The others last too long for that.
const COMMON: u32 = 3;

/// So many faults of these kinds: each common kind once, where there are so many, and the rest by chance.
pub(super) fn sequence(chance: &mut fastrand::Rng, kinds: &[Fault], count: u32) -> Vec<Fault> {
    let count = count as usize;
    let common = kinds.iter().copied().filter(|fault| fault.share() >= COMMON);
    let mut faults: Vec<Fault> = common.collect();
    if faults.len() > count {
        faults.clear();
    }
    while faults.len() < count {
        faults.push(pick(chance, kinds));
    }
    chance.shuffle(&mut faults);
    faults
}

fn pick(chance: &mut fastrand::Rng, kinds: &[Fault]) -> Fault {
    let mut ticket = chance.u32(0..kinds.iter().map(|fault| fault.share()).sum());
    for fault in kinds {
        match ticket.checked_sub(fault.share()) {
            Some(rest) => ticket = rest,
            None => return *fault,
        }
    }
    kinds[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_kind_strikes_and_all_about_as_often_as_their_shares_say() {
        for seed in 0..20 {
            let faults = sequence(&mut fastrand::Rng::with_seed(seed), &Fault::ALL, 20);
            assert_eq!(faults.len(), 20);
            let strikes = |fault: &Fault| faults.iter().any(|it| it == fault);
            assert!(Fault::ALL.iter().filter(|fault| fault.share() >= COMMON).all(strikes), "{seed}: {faults:?}");
        }
        let few = sequence(&mut fastrand::Rng::with_seed(1), &[Fault::Leave, Fault::IsolatePastTimeouts], 1);
        assert_eq!(few.len(), 1);
        let faults = sequence(&mut fastrand::Rng::with_seed(1), &Fault::ALL, 10_000);
        for fault in Fault::ALL {
            let count = faults.iter().filter(|it| **it == fault).count();
            let expected = 100 * fault.share() as usize;
            assert!(count.abs_diff(expected) <= 30 + expected / 5, "{fault:?}: {count} of about {expected}");
        }
    }
}
