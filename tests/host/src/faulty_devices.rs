// SPDX-License-Identifier: GPL-2.0

//! Values that hardware, firmware or Xen provides and that need not make sense: whatever they are,
//! an answer comes, and it errs on the safe side.

use crate::{
    cases,
    pure::{
        base_address::{holds, Space},
        canary::{Proof, Register},
        domid::DomId,
        hypercall_answer::{plain, setup_gsi, Answer},
        intx::{entry_matches, route, Pin, Route},
        reset_method::{Listed, Method},
        sbdf::Sbdf,
    },
};
use proptest::{collection::vec, prelude::*};

/// A register of a device that may lie: what it reads as, each time.
#[derive(Clone, Debug)]
struct Hardware {
    value: u16,
    /// Answers that are given instead, the last one first.
    lies: Vec<Option<u16>>,
    writes: Vec<u16>,
}

impl Hardware {
    fn read(&mut self) -> u16 {
        self.lies.pop().flatten().unwrap_or(self.value)
    }

    fn write(&mut self, value: u16) {
        self.value = value;
        self.writes.push(value);
    }
}

/// What can be in a register of that width, what nobody answers included.
fn values(register: Register) -> BoxedStrategy<u16> {
    match register {
        Register::MsixFunctionMask => {
            prop_oneof![4 => any::<u16>(), 1 => Just(u16::MAX), 1 => Just(0xbfff)].boxed()
        }
        _ => {
            prop_oneof![4 => 0..=0xffu16, 1 => Just(0xff), 1 => Just(0x5a), 1 => Just(0xa5)].boxed()
        }
    }
}

fn registers() -> impl Strategy<Value = Register> {
    proptest::sample::select(&Register::ALL[..])
}

/// As device/canary.rs leaves a mark; returns what was there and what was written.
fn leave_mark(register: Register, hardware: &mut Hardware) -> Option<(u16, u16)> {
    let found = hardware.read();
    let marked = register.with_canary(found)?;
    hardware.write(marked);
    if register.has_canary(marked, hardware.read()) {
        return Some((found, marked));
    }
    hardware.write(found);
    None
}

/// As device/canary.rs looks for it and takes it away.
fn check_canaries(
    register: Register,
    hardware: &mut Hardware,
    (found, marked): (u16, u16),
) -> Proof {
    let now = hardware.read();
    if let Some(value) = register.cleaned(found, marked, now) {
        hardware.write(value);
    }
    Proof::of(1, usize::from(register.has_canary(marked, now)))
}

proptest! {
    #![proptest_config(cases(50_000))]

    /// What a device that reads as it was written says is true, and it is left as it was found.
    #[test]
    fn marks_in_an_honest_register(
        (register, value, reset) in registers().prop_flat_map(|register| {
            let reset = proptest::option::of(values(register));
            (Just(register), values(register), reset)
        }),
    ) {
        let mut hardware = Hardware { value, lies: vec![], writes: vec![] };
        let Some(mark) = leave_mark(register, &mut hardware) else {
            prop_assert!(register == Register::MsixFunctionMask);
            return Ok(prop_assert_eq!(hardware.value, value));
        };
        hardware.value = reset.unwrap_or(hardware.value);
        let before = hardware.value;
        let proof = check_canaries(register, &mut hardware, mark);
        match reset {
            None => {
                prop_assert_eq!(proof, Proof::Disproven);
                prop_assert_eq!(hardware.value, value);
            }
            Some(reset) => {
                let mask = if register == Register::MsixFunctionMask { 0x4000 } else { 0xff };
                let bears = reset & mask == mark.1 & mask && reset != u16::MAX;
                prop_assert_eq!(proof == Proof::Disproven, bears);
                if !bears {
                    // Left as it is, but for a mask, which Xen keeps account of.
                    let left = if before == u16::MAX { before } else { before & !0x4000 };
                    let is_mask = register == Register::MsixFunctionMask;
                    prop_assert_eq!(hardware.value, if is_mask { left } else { before });
                }
            }
        }
    }

    /// Whatever is read: bits other than the mark's are written as they were read, nothing is
    /// written to one that doesn't answer, and only a mark that was seen to be gone is proof.
    #[test]
    fn marks_in_a_register_that_lies(
        (register, value, lies) in registers().prop_flat_map(|register| {
            let lie = proptest::option::of(values(register));
            (Just(register), values(register), vec(lie, 0..4))
        }),
    ) {
        let mut reads = lies.clone();
        reads.reverse();
        let mut hardware = Hardware { value, lies, writes: vec![] };
        let all_ones = if register == Register::MsixFunctionMask { u16::MAX } else { 0xff };
        let mask = if register == Register::MsixFunctionMask { 0x4000 } else { 0xff };
        let found = reads.first().copied().flatten().unwrap_or(value);
        let Some(mark) = leave_mark(register, &mut hardware) else {
            // As it was found.
            prop_assert!(hardware.writes.last().is_none_or(|last| *last == found));
            return Ok(());
        };
        prop_assert_eq!(mark.0, found);
        prop_assert!(mark.1 & !mask == found & !mask && mark.1 & mask != found & mask);
        prop_assert!(mark.1 != all_ones);
        let now = reads.get(2).copied().flatten().unwrap_or(hardware.value);
        hardware.writes.clear();
        let proof = check_canaries(register, &mut hardware, mark);
        prop_assert_eq!(proof == Proof::Proven, now == all_ones || now & mask != mark.1 & mask);
        match hardware.writes[..] {
            [] => prop_assert!(now == all_ones || register != Register::MsixFunctionMask),
            [written] if register == Register::MsixFunctionMask => {
                prop_assert!(now != all_ones && written == now & !mask);
            }
            [written] => prop_assert!(now == mark.1 && written == found),
            _ => prop_assert!(false, "written twice"),
        }
    }

    /// Fewer marks than there were are proof, more are none.
    #[test]
    fn a_proof_of_any_numbers(left in any::<usize>(), still_there in any::<usize>()) {
        let wanted = match (left, still_there) {
            (0, _) => Proof::Unknown,
            _ if still_there >= left => Proof::Disproven,
            _ => Proof::Proven,
        };
        prop_assert_eq!(Proof::of(left, still_there), wanted);
    }

    /// A list of methods that the kernel's numbers don't fill is read to its end, and narrowed to
    /// one it still tells what it was, as far as there is room.
    #[test]
    fn any_list_of_methods(numbers in any::<[u8; 8]>(), known in 0..10u8, at in 0..8usize) {
        let mut numbers = numbers;
        numbers[at] = known;
        let list = Listed::new(numbers);
        let end = numbers.iter().position(|number| *number == 0).unwrap_or(8);
        let wanted = numbers[..end].iter().copied().filter(|number| (1..=7).contains(number));
        prop_assert!(list.methods().map(Method::kernel_number).eq(wanted));
        for by in 1..=7 {
            let by = Method::from_kernel(by).expect("a method");
            let narrowed = list.narrowed(by);
            prop_assert!(narrowed.methods().eq([by]));
            let kept = narrowed.widened().numbers();
            let is_listed = list.has(by);
            prop_assert!(!is_listed || kept[..6] == numbers[..6]);
        }
        let _ = list.widened().methods().count();
    }

    /// An entry of a routing table is a pin's if device and pin are the same, and leads to what it
    /// says.
    #[test]
    fn any_routing_table_entry(
        address in prop_oneof![any::<u64>(), 0..40u64 << 16],
        entry_pin in prop_oneof![9 => 0..6u32, 1 => any::<u32>()],
        (is_link, index) in (any::<bool>(), prop_oneof![0..4u32, any::<u32>()]),
        (slot, register) in (0..40u8, 0..6u8),
    ) {
        let pin = Pin::from_register(register);
        prop_assert_eq!(pin.is_some(), (1..=4).contains(&register));
        if let Some(pin) = pin {
            let [_, _, low, high, ..] = address.to_le_bytes();
            let is_same = (low, high) == (slot, 0) && entry_pin == u32::from(register) - 1;
            prop_assert_eq!(entry_matches(address, entry_pin, slot, pin), is_same);
        }
        let wanted = match (is_link, index) {
            (false, gsi) => Route::Fixed(gsi),
            (true, 1..) => Route::Unsupported,
            _ => Route::Link,
        };
        prop_assert_eq!(route(is_link, index), wanted);
    }

    /// Through any number of bridges, at numbers that no device has.
    #[test]
    fn any_way_of_a_pin(register in 1..=4u8, slots in vec(any::<u8>(), 0..300)) {
        let pin = Pin::from_register(register).expect("a pin");
        let end = slots.iter().fold(pin, |pin, slot| pin.swizzle(*slot));
        let sum: u32 = slots.iter().map(|slot| u32::from(*slot)).sum();
        prop_assert_eq!(end.acpi(), (u32::from(register) - 1 + sum) % 4);
    }

    /// No answer with which Xen refuses counts as a success, nor the other way round.
    #[test]
    fn any_answer_of_xen(ret in prop_oneof![any::<i32>(), -4100..100i32, Just(i32::MIN)]) {
        for (answer, also_done) in [(plain(ret), None), (setup_gsi(ret), Some(-17))] {
            match answer {
                Answer::Done => prop_assert!(ret >= 0 || Some(ret) == also_done),
                Answer::Unsupported => prop_assert_eq!(ret, -38),
                Answer::Refused(errno) => prop_assert!(errno == ret && ret < 0 && ret != -38),
            }
        }
    }

    #[test]
    fn any_number_that_xen_has_for_a_device_or_domain(
        packed in any::<u32>(),
        domain in prop_oneof![any::<u16>(), 0x7fe0..0x8000u16],
    ) {
        let sbdf = Sbdf::from_xen(packed);
        let segment = u32::from(sbdf.xen_segment().expect("16 bits"));
        let on_bus = u32::from(sbdf.bus()) << 8 | u32::from(sbdf.devfn());
        prop_assert_eq!(segment << 16 | on_bus, packed);
        prop_assert_eq!(DomId::new(domain).map(DomId::number), (domain < 0x7ff0).then_some(domain));
    }

    /// A register holds an address if it is the one that is written to it, bit for bit.
    #[test]
    fn any_base_address(
        (low, high) in (prop_oneof![any::<u32>(), Just(u32::MAX)], any::<u32>()),
        (space, address) in (0..3usize, any::<u64>()),
    ) {
        let (space, kind) = [(Space::Io, 3), (Space::Memory, 15), (Space::Memory64, 15)][space];
        let low_part = u64::from(low / (kind + 1) * (kind + 1));
        let whole = match space {
            Space::Memory64 => low_part + (u64::from(high) << 32),
            _ => low_part,
        };
        for address in [address, address & 0xffff_fff0, whole, whole ^ 1, whole ^ 1 << 33] {
            prop_assert_eq!(holds(space, low, high, address), address == whole);
        }
    }
}
