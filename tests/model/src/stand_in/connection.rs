// SPDX-License-Identifier: GPL-2.0

//! `crate::backend::connection`.

use super::workqueue::{Work, WorkItem};
use crate::sync::Arc;

/// A guest's connection: something to be looked at.
pub(crate) struct Connection {
    work: Work,
    look: Box<dyn Fn() + Send + Sync>,
}

impl Connection {
    pub(crate) fn new(look: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            work: Work::new(),
            look: Box::new(look),
        }
    }
}

impl WorkItem for Connection {
    fn work(&self) -> &Work {
        &self.work
    }

    fn run(this: Arc<Self>) {
        (this.look)();
    }
}
