// SPDX-License-Identifier: GPL-2.0

//! The routing table that was read last. Look-ups mostly end at the same table, that of the root,
//! and ACPI takes longer to make one than all the rest does.
//!
//! What it says of a bridge never changes (ACPI 6.5 sec 6.2.13: how the slots are wired), unlike
//! what a link is set to, which is asked each time.

use crate::kapi::{
    acpi::{
        Node,
        RoutingTable, //
    },
    global::global, //
};
use kernel::prelude::*;

global! {
    /// The table. Nobody but ACPI is waited for under this lock.
    static TABLES(ROUTING_TABLES): Mutex<Tables> = Tables(None);
}

/// The table that was read last, and of which bridge it is.
pub(super) struct Tables(Option<(Node, RoutingTable)>);

impl Tables {
    /// Returns the table of a bridge, if it has one.
    ///
    /// # Errors
    ///
    /// - `EIO`: as of [`Node::routing_table`].
    pub(super) fn of(&mut self, bridge: Node) -> Result<Option<&RoutingTable>> {
        if self.0.as_ref().is_none_or(|(node, _)| *node != bridge) {
            match bridge.routing_table()? {
                Some(table) => self.0 = Some((bridge, table)),
                // A bridge without a table doesn't displace one that has a table.
                None => return Ok(None),
            }
        }
        Ok(self.0.as_ref().map(|(_, table)| table))
    }
}

/// Calls back with the table, which nobody else uses meanwhile.
pub(super) fn with<T>(action: impl FnOnce(&mut Tables) -> T) -> T {
    action(&mut TABLES.lock())
}

/// Forgets the table.
pub(super) fn forget() {
    let table = with(|tables| tables.0.take());
    drop(table);
}
