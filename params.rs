// SPDX-License-Identifier: GPL-2.0

//! The module's parameters. (Those of test builds are in [`crate::fault`].)

#![deny(unsafe_code)]

use crate::kapi::param::{
    string_param,
    switch_param, //
};

string_param!(
    /// Devices to claim when the module is loaded.
    HIDE,
    "hide",
    "devices to claim when the module is loaded, as (0000:03:00.0)(04:*.*)"
);

switch_param!(
    /// Whether guests get devices only that were cleaned by a reset.
    STRICT_RESET,
    "strict_reset",
    false,
    "give guests no device that was not cleaned by a reset (0)",
    0o644
);

switch_param!(
    /// Whether guests see devices at their real addresses.
    PASSTHROUGH,
    "passthrough",
    false,
    "guests see their devices at the real addresses, not on a virtual bus (0)",
    0o444
);

switch_param!(
    /// Whether the driver of a PVH dom0 holds the MSI-X tables of devices that it claims.
    HOLD_MSIX,
    "hold_msix",
    true,
    "PVH dom0: have Xen know the MSI-X tables of devices, so that guests get MSI-X (1)",
    0o644
);

switch_param!(
    /// Whether all PV guests may write any field of the configuration space.
    PERMISSIVE,
    "permissive",
    false,
    "guests may write any field of the configuration space of their devices (0)",
    0o644
);
