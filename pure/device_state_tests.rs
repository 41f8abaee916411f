// SPDX-License-Identifier: GPL-2.0

use super::*;
use std::collections::{
    HashSet,
    VecDeque, //
};

const STRICT: [bool; 2] = [false, true];

fn domain(number: u16) -> DomId {
    DomId::new(number).unwrap()
}

/// What can happen, with two domains.
#[derive(Clone, Copy, Debug)]
enum Event {
    Assign(bool),
    List(DomId, bool),
    BeginLeaving(DomId),
    Left(DomId),
    Stay(DomId),
    BeginCleaning(DomId),
    Reserve,
    Unreserve,
    ResetRequested,
    WasReset(ResetState),
    Failed,
    Release,
    Later,
}

fn events() -> Vec<Event> {
    let domains = [domain(7), domain(8)];
    let mut all = vec![
        Event::Reserve,
        Event::Unreserve,
        Event::ResetRequested,
        Event::Failed,
        Event::Release,
        Event::Later,
    ];
    for strict in STRICT {
        all.push(Event::Assign(strict));
        all.extend(domains.map(|domain| Event::List(domain, strict)));
    }
    all.extend(domains.map(Event::BeginLeaving));
    all.extend(domains.map(Event::Left));
    all.extend(domains.map(Event::Stay));
    all.extend(domains.map(Event::BeginCleaning));
    all.extend(ResetState::ALL.map(Event::WasReset));
    all
}

/// The time is 0, or the end of an assignment made at 0: no other times matter.
const NOW: Time = Time(0);

fn apply(state: &mut DeviceState, event: Event) -> bool {
    match event {
        Event::Assign(strict) => state.assign(strict, NOW).is_ok(),
        Event::List(domain, strict) => state.list(domain, strict, NOW).is_ok(),
        Event::BeginLeaving(domain) => state.begin_leaving(domain),
        Event::Left(domain) => state.left(domain),
        Event::Stay(domain) => state.stay(domain),
        Event::BeginCleaning(domain) => state.begin_cleaning(domain),
        Event::Reserve => state.reserve(),
        Event::Unreserve => {
            state.unreserve();
            true
        }
        Event::ResetRequested => {
            state.reset_requested(NOW);
            true
        }
        Event::WasReset(made) => {
            state.was_reset(made, NOW);
            true
        }
        Event::Failed => {
            state.failed();
            true
        }
        Event::Release => matches!(state.release(NOW), Holder::Domain(_)),
        Event::Later => {
            state.assigned_until = NOW;
            true
        }
    }
}

/// Every state that can be reached from a claim, and each event in it.
fn every_transition() -> Vec<(DeviceState, Event, DeviceState, bool)> {
    let mut seen = HashSet::new();
    let mut queue: VecDeque<_> = ResetState::ALL
        .map(|made| DeviceState::claimed(made, false, NOW))
        .into();
    let mut all = Vec::new();
    while let Some(before) = queue.pop_front() {
        if !seen.insert(before) {
            continue;
        }
        for event in events() {
            let mut after = before;
            let succeeded = apply(&mut after, event);
            all.push((before, event, after, succeeded));
            queue.push_back(after);
        }
    }
    assert!(seen.len() > 50, "{} states", seen.len());
    all
}

#[test]
fn a_refused_event_changes_nothing() {
    for (before, event, after, succeeded) in every_transition() {
        let may_change = matches!(event, Event::Release);
        assert!(
            succeeded || may_change || before.at(NOW) == after.at(NOW),
            "{before:?} {event:?}"
        );
    }
}

#[test]
fn nobody_comes_to_a_reserved_device_but_by_its_reservation() {
    for (before, event, after, _) in every_transition() {
        if before.reserved && !matches!(event, Event::List(..) | Event::Unreserve) {
            let came = before.holder(NOW) == Holder::Nobody
                && !matches!(after.holder(NOW), Holder::Nobody | Holder::Gone);
            assert!(!came, "{before:?} {event:?}");
        }
    }
}

#[test]
fn a_domain_follows_another_only_through_nobody() {
    for (before, event, after, _) in every_transition() {
        if let (Some(one), Some(two)) = (before.holder.domain(), after.holder.domain()) {
            assert_eq!(one, two, "{before:?} {event:?}");
        }
    }
}

#[test]
fn a_used_device_is_clean_only_after_a_reset_without_a_user() {
    for (before, event, after, _) in every_transition() {
        if after.reset_state == ResetState::Clean && before.reset_state != ResetState::Clean {
            assert!(
                matches!(event, Event::WasReset(ResetState::Clean)),
                "{event:?}"
            );
            assert!(!matches!(after.holder, Holder::Domain(_)));
        }
        assert!(
            !matches!(after.holder, Holder::Domain(_)) || after.reset_state != ResetState::Clean,
            "{before:?} {event:?}"
        );
    }
}

#[test]
fn only_a_reset_is_a_reset() {
    for (before, event, after, _) in every_transition() {
        let is_reset = matches!(event, Event::WasReset(_));
        assert!(
            is_reset || before.last_reset == after.last_reset,
            "{event:?}"
        );
    }
    let mut state = DeviceState::claimed(ResetState::Clean, false, Time(1));
    state.failed();
    assert!(!state.was_reset_since(Time(1)));
    state.was_reset(ResetState::Weak, Time(2));
    assert!(state.was_reset_since(Time(1)));
    assert!(!state.was_reset_since(Time(2)));
}

#[test]
fn a_failed_device_stays_so_until_it_is_reset() {
    for (before, event, after, _) in every_transition() {
        if before.reset_state == ResetState::Failed && after.reset_state != ResetState::Failed {
            assert!(matches!(event, Event::WasReset(_)), "{event:?}");
        }
    }
}

#[test]
fn what_is_gone_stays_gone() {
    for (before, event, after, _) in every_transition() {
        if !before.is_claimed() {
            assert!(!after.is_claimed(), "{event:?}");
            assert_eq!(before.verdict(false, NOW), Verdict::No);
        }
    }
}

/// What `assignable` says is what the toolstack is answered.
#[test]
fn the_answers_agree() {
    for (before, ..) in every_transition() {
        for strict in STRICT {
            let (mut asked, mut listed) = (before, before);
            let verdict = before.verdict(strict, NOW);
            let in_use = matches!(before.holder, Holder::Domain(_));
            match asked.assign(strict, NOW) {
                Ok(permitted) => {
                    assert_eq!(
                        permitted == Permitted::WithWarning,
                        verdict == Verdict::WithWarning
                    );
                    assert_ne!(verdict, Verdict::No);
                    // What was promised is kept.
                    assert!(in_use || asked.list(domain(7), strict, NOW).is_ok());
                }
                Err(Refused::Reserved) => assert!(before.reserved),
                Err(_) => assert_eq!(verdict, Verdict::No, "{before:?}"),
            }
            if let Ok(permitted) = listed.list(domain(7), strict, NOW) {
                assert_eq!(permitted == Permitted::Withheld, verdict == Verdict::No);
            }
        }
    }
}

#[test]
fn a_domain_has_a_device_from_list_to_left() {
    let mut state = DeviceState::claimed(ResetState::Clean, false, NOW);
    let (seven, eight) = (domain(7), domain(8));
    assert_eq!(state.list(seven, true, NOW), Ok(Permitted::Plainly));
    assert_eq!(state.reset_state(NOW), ResetState::Used);
    assert_eq!(
        state.list(seven, true, NOW),
        Ok(Permitted::Plainly),
        "it has it already"
    );
    assert_eq!(state.list(eight, false, NOW), Err(Refused::UsedBy(seven)));
    assert_eq!(
        state.verdict(true, NOW),
        Verdict::Yes,
        "the toolstack may take it back"
    );
    assert!(!state.begin_leaving(eight));
    assert!(state.begin_leaving(seven));
    assert_eq!(state.verdict(false, NOW), Verdict::No);
    assert_eq!(state.assign(false, NOW), Err(Refused::Leaving));
    assert_eq!(state.list(seven, false, NOW), Err(Refused::Leaving));
    assert_eq!(state.list(eight, false, NOW), Err(Refused::Leaving));
    assert!(!state.left(seven), "it is not yet sure");
    assert!(!state.begin_cleaning(eight) && state.begin_cleaning(seven));
    assert!(!state.stay(seven), "it is too late");
    assert_eq!(state.verdict(false, NOW), Verdict::No);
    assert_eq!(state.list(seven, false, NOW), Err(Refused::Leaving));
    state.was_reset(ResetState::Clean, Time(5));
    assert!(!state.left(eight) && state.left(seven) && !state.left(seven));
    assert_eq!(state.list(eight, true, NOW), Ok(Permitted::Plainly));
    assert_eq!(state.release(NOW), Holder::Domain(eight));
    assert_eq!(state.list(eight, false, NOW), Err(Refused::Gone));
}

#[test]
fn an_assignment_ends_by_itself() {
    let mut state = DeviceState::claimed(ResetState::NotReset, false, NOW);
    assert_eq!(state.assign(true, NOW), Err(Refused::Unclean));
    assert_eq!(state.assign(false, NOW), Ok(Permitted::WithWarning));
    let end = NOW.plus_millis(ASSIGNED_FOR);
    assert_eq!(state.holder(Time(end.0 - 1)), Holder::Assigned);
    assert_eq!(state.holder(end), Holder::Nobody);
    // Asked again, it begins anew.
    assert_eq!(state.assign(false, Time(5)), Ok(Permitted::WithWarning));
    assert_eq!(state.holder(end), Holder::Assigned);
    // A domain may have had it, and may have it still.
    state.was_reset(ResetState::Clean, Time(6));
    assert_eq!(state.holder(Time(6)), Holder::Assigned);
    assert_eq!(state.reset_state(Time(6)), ResetState::Used);
    // When it is over, a reset makes it clean.
    state.was_reset(ResetState::Clean, Time(5).plus_millis(ASSIGNED_FOR));
    assert_eq!(state.reset_state(end), ResetState::Clean);
}

#[test]
fn who_was_given_a_device_may_have_used_it() {
    let mut state = DeviceState::claimed(ResetState::Clean, false, NOW);
    assert_eq!(state.assign(true, NOW), Ok(Permitted::Plainly));
    // The device model asks, and the toolstack asks.
    assert_eq!(state.assign(true, Time(5)), Ok(Permitted::Plainly));
    let end = Time(5).plus_millis(ASSIGNED_FOR);
    assert_eq!(state.verdict(true, Time(end.0 - 1)), Verdict::Yes);
    assert_eq!(state.reset_state(end), ResetState::Used);
    assert_eq!(state.verdict(true, end), Verdict::No);
    assert_eq!(state.assign(true, end), Err(Refused::Unclean));
}

#[test]
fn only_what_nobody_has_is_reset_for_others() {
    let seven = domain(7);
    assert!(Holder::Nobody.permits_reset());
    assert!(Holder::Cleaning(seven).permits_reset());
    for holder in [
        Holder::Assigned,
        Holder::Domain(seven),
        Holder::Leaving(seven),
        Holder::Gone,
    ] {
        assert!(!holder.permits_reset(), "{holder:?}");
    }
}

#[test]
fn what_was_released_in_use_may_still_be() {
    let mut state = DeviceState::claimed(ResetState::Clean, true, NOW);
    assert_eq!(state.holder(NOW), Holder::Assigned);
    assert_eq!(state.reset_state(NOW), ResetState::Used);
    assert_eq!(
        state.list(domain(7), false, NOW),
        Ok(Permitted::WithWarning)
    );
    let state = DeviceState::claimed(ResetState::Clean, true, NOW);
    let end = NOW.plus_millis(ASSIGNED_FOR);
    assert_eq!(state.holder(end), Holder::Nobody);
    assert_eq!(state.reset_state(end), ResetState::Used);
}

/// Every holder, with what it lets happen: whom it is known to be, who may use the device, whether
/// it is on its way back.
#[test]
fn holders() {
    let (seven, eight) = (domain(7), domain(8));
    for (holder, known, lets_use, is_leaving) in [
        (Holder::Nobody, None, false, false),
        (Holder::Assigned, None, false, false),
        (Holder::Domain(seven), Some(seven), true, false),
        (Holder::Leaving(seven), Some(seven), true, true),
        (Holder::Cleaning(seven), Some(seven), false, true),
        (Holder::Gone, None, false, false),
    ] {
        assert_eq!(holder.domain(), known, "{holder:?}");
        assert_eq!(holder.lets_use(seven), lets_use, "{holder:?}");
        assert!(!holder.lets_use(eight), "{holder:?}");
        assert_eq!(holder.is_leaving(), is_leaving, "{holder:?}");
    }
}

#[test]
fn a_reservation_is_had_once_and_ends() {
    let mut state = DeviceState::claimed(ResetState::Clean, false, NOW);
    assert!(state.reserve());
    assert!(!state.reserve());
    assert_eq!(state.assign(false, NOW), Err(Refused::Reserved));
    // Its holder may list the device.
    assert_eq!(state.may_list(domain(7)), Ok(()));
    state.unreserve();
    assert_eq!(state.assign(false, NOW), Ok(Permitted::Plainly));
    assert!(state.reserve());
}

/// A toolstack that asks for a reset may have given the device to a domain unseen.
#[test]
fn a_request_for_a_reset_soils_what_is_assigned_and_nothing_else() {
    for (before, event, after, _) in every_transition() {
        if matches!(event, Event::ResetRequested) {
            let soiled = match (before.holder(NOW), before.reset_state(NOW)) {
                (Holder::Assigned, state) if state != ResetState::Failed => ResetState::Used,
                (_, state) => state,
            };
            assert_eq!(after.reset_state, soiled, "{before:?}");
            assert_eq!(after.holder, before.holder(NOW));
        }
    }
}

#[test]
fn an_error_of_the_hardware_fails_the_device_whoever_has_it() {
    for (before, event, after, _) in every_transition() {
        if matches!(event, Event::Failed) {
            assert_eq!(after.reset_state, ResetState::Failed, "{before:?}");
            assert_eq!(after.holder, before.holder);
        }
    }
}

#[test]
fn only_a_release_ends_the_claim() {
    for (before, event, after, _) in every_transition() {
        let released = matches!(event, Event::Release);
        assert_eq!(
            after.is_claimed(),
            before.is_claimed() && !released,
            "{event:?}"
        );
    }
}

/// A domain that is listed again before its device was touched has had it all the time.
#[test]
fn who_stays_has_used_it() {
    let seven = domain(7);
    let mut state = DeviceState::claimed(ResetState::Clean, false, NOW);
    assert_eq!(state.list(seven, false, NOW), Ok(Permitted::Plainly));
    assert!(state.begin_leaving(seven));
    state.was_reset(ResetState::Clean, NOW);
    assert!(!state.stay(domain(8)) && state.stay(seven) && !state.stay(seven));
    assert_eq!(state.holder(NOW), Holder::Domain(seven));
    assert_eq!(state.reset_state(NOW), ResetState::Used);
    state.was_reset(ResetState::Weak, NOW);
    assert_eq!(state.reset_state(NOW), ResetState::Used);
}
