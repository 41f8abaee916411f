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
        Register::MsixFunctionMask | Register::InterruptDisable => {
            let all_but = !bit(register);
            prop_oneof![4 => any::<u16>(), 1 => Just(u16::MAX), 1 => Just(all_but)].boxed()
        }
        _ => {
            prop_oneof![4 => 0..=0xffu16, 1 => Just(0xff), 1 => Just(0x5a), 1 => Just(0xa5)].boxed()
        }
    }
}

/// The bits that a mark is in.
fn bit(register: Register) -> u16 {
    match register {
        Register::InterruptDisable => 0x0400,
        Register::MsixFunctionMask => 0x4000,
        Register::CacheLineSize | Register::InterruptLine => 0xff,
    }
}

/// What nobody's answer reads as.
fn nobody(register: Register) -> u16 {
    match register {
        Register::CacheLineSize | Register::InterruptLine => 0xff,
        _ => u16::MAX,
    }
}

fn registers() -> impl Strategy<Value = Register> {
    proptest::sample::select(&Register::ALL[..])
}

/// As device/canary.rs leaves a mark, over what is believed to be there; returns what was written.
fn leave_mark(register: Register, believed: u16, hardware: &mut Hardware) -> Option<u16> {
    let marked = register.with_canary(believed)?;
    hardware.write(marked);
    if register.has_canary(marked, hardware.read()) {
        return Some(marked);
    }
    if !register.is_saved() {
        hardware.write(believed);
    }
    None
}

/// As device/canary.rs looks for it and takes it away.
fn check_canaries(register: Register, hardware: &mut Hardware, marked: u16) -> Proof {
    let now = hardware.read();
    if let Some(value) = register.cleaned(now) {
        hardware.write(value);
    }
    Proof::Unknown.and(register.has_canary(marked, now))
}

proptest! {
    #![proptest_config(cases(50_000))]

    /// What a device that reads as it was written says is true, and a mask is left as it was found.
    #[test]
    fn marks_in_an_honest_register(
        (register, value, reset) in registers().prop_flat_map(|register| {
            let reset = proptest::option::of(values(register));
            (Just(register), values(register), reset)
        }),
    ) {
        let mut hardware = Hardware { value, lies: vec![], writes: vec![] };
        let Some(mark) = leave_mark(register, value, &mut hardware) else {
            prop_assert!(bit(register) != 0xff);
            return Ok(prop_assert_eq!(hardware.value, value));
        };
        hardware.value = reset.unwrap_or(hardware.value);
        let before = hardware.value;
        let proof = check_canaries(register, &mut hardware, mark);
        let bears = match reset {
            None => true,
            Some(reset) => reset & bit(register) == mark & bit(register) && reset != nobody(register),
        };
        prop_assert_eq!(proof, if bears { Proof::Disproven } else { Proof::Proven });
        // Xen keeps account of a mask. The restore sees to the others.
        let is_mask = register == Register::MsixFunctionMask && before != u16::MAX;
        prop_assert_eq!(hardware.value, if is_mask { before & !bit(register) } else { before });
        if is_mask && reset.is_none() {
            prop_assert_eq!(hardware.value, value);
        }
    }

    /// Whatever is read, and whatever was there when something else was believed to be: bits other
    /// than the mark's are written as they were believed to be, a mark isn't what was believed to be
    /// there, nothing is written after the reset but over a mask that was read, and only a mark that
    /// was seen to be gone is proof.
    #[test]
    fn marks_in_a_register_that_lies(
        (register, value, believed, lies) in registers().prop_flat_map(|register| {
            let lie = proptest::option::of(values(register));
            (Just(register), values(register), values(register), vec(lie, 0..3))
        }),
    ) {
        let mut reads = lies.clone();
        reads.reverse();
        let mut hardware = Hardware { value, lies, writes: vec![] };
        let mask = bit(register);
        let Some(mark) = leave_mark(register, believed, &mut hardware) else {
            let is_as_before = hardware.writes.last().is_none_or(|last| *last == believed);
            prop_assert!(register.is_saved() || is_as_before);
            return Ok(());
        };
        prop_assert!(mark & !mask == believed & !mask && mark & mask != believed & mask);
        prop_assert!(mark != nobody(register));
        let now = reads.get(1).copied().flatten().unwrap_or(hardware.value);
        hardware.writes.clear();
        let proof = check_canaries(register, &mut hardware, mark);
        let is_gone = now == nobody(register) || now & mask != mark & mask;
        prop_assert_eq!(proof, if is_gone { Proof::Proven } else { Proof::Disproven });
        match hardware.writes[..] {
            [] => prop_assert!(now == u16::MAX || register.is_saved()),
            [written] => prop_assert!(
                !register.is_saved() && now != u16::MAX && written == now & !mask
            ),
            _ => prop_assert!(false, "written twice"),
        }
    }

    /// One mark that is gone is proof, wherever it comes, and none says nothing.
    #[test]
    fn a_proof_of_any_marks(still_there in vec(any::<bool>(), 0..6)) {
        let proof = still_there.iter().fold(Proof::Unknown, |proof, still| proof.and(*still));
        let wanted = match still_there[..] {
            [] => Proof::Unknown,
            _ if still_there.contains(&false) => Proof::Proven,
            _ => Proof::Disproven,
        };
        prop_assert_eq!(proof, wanted);
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
