// SPDX-License-Identifier: GPL-2.0

//! `crate::backend::guest`.

use super::workqueue::{Work, WorkItem};
use crate::sync::Arc;

/// A guest: something to be looked at.
pub(crate) struct Guest {
    work: Work<Self>,
    reconcile: Box<dyn Fn() + Send + Sync>,
}

impl Guest {
    pub(crate) fn new(reconcile: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            work: Work::new(),
            reconcile: Box::new(reconcile),
        }
    }
}

crate::impl_has_work! {
    impl HasWork<Self> for Guest { self.work }
}

impl WorkItem for Guest {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        (this.reconcile)();
    }
}
