// SPDX-License-Identifier: GPL-2.0

//! The decisions of the driver, free of the kernel.
//!
//! Everything below needs only `core`: it is compiled into the module and, by `tests/host`, into a
//! host crate where it is tested exhaustively or with generated inputs. Nothing here allocates,
//! locks, logs or touches hardware.

#![deny(unsafe_code)]

pub(crate) mod base_address;
pub(crate) mod bdf_grammar;
pub(crate) mod blocker_text;
pub(crate) mod bounded;
pub(crate) mod bus_removed;
pub(crate) mod canary;
pub(crate) mod claim_step;
pub(crate) mod config_field;
pub(crate) mod config_space;
pub(crate) mod devfn_set;
pub(crate) mod device_state;
pub(crate) mod domid;
pub(crate) mod error_recovery;
pub(crate) mod guest_interrupts;
pub(crate) mod hypercall_answer;
pub(crate) mod intx;
pub(crate) mod iommu_map;
pub(crate) mod irq_storm;
pub(crate) mod kernel_reset;
pub(crate) mod pciif;
pub(crate) mod positions;
pub(crate) mod reset_batch;
pub(crate) mod reset_method;
pub(crate) mod reset_plan;
pub(crate) mod reset_state;
pub(crate) mod sbdf;
pub(crate) mod slot_lines;
pub(crate) mod text_window;
pub(crate) mod time;
pub(crate) mod topology;
pub(crate) mod virtual_bus;
pub(crate) mod xenbus;
