// SPDX-License-Identifier: GPL-2.0

//! `crate::backend::give_back`.

use super::workqueue::{Work, WorkItem};
use crate::sync::Arc;

/// Devices to be cleaned, of which nothing is needed here.
pub(crate) struct Cleaning {
    work: Work<Self>,
}

crate::impl_has_work! {
    impl HasWork<Self> for Cleaning { self.work }
}

impl WorkItem for Cleaning {
    type Pointer = Arc<Self>;

    fn run(_: Arc<Self>) {}
}
