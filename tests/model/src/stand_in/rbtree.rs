// SPDX-License-Identifier: GPL-2.0

//! `kernel::rbtree`: nodes are made and freed apart from the tree.

use super::{
    alloc::{allocate, AllocError, Flags},
    context::might_sleep,
};
use std::collections::BTreeMap;

/// A node outside of a tree; not freed under a spinlock.
pub(crate) struct RBTreeNode<K, V>(Option<(K, V)>);

impl<K, V> RBTreeNode<K, V> {
    pub(crate) fn new(key: K, value: V, _: Flags) -> Result<Self, AllocError> {
        allocate()?;
        Ok(Self(Some((key, value))))
    }
}

impl<K, V> Drop for RBTreeNode<K, V> {
    fn drop(&mut self) {
        if self.0.is_some() {
            might_sleep();
        }
    }
}

/// A tree; not freed under a spinlock.
pub(crate) struct RBTree<K, V>(BTreeMap<K, V>);

impl<K: Ord, V> RBTree<K, V> {
    pub(crate) fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) fn insert(&mut self, mut node: RBTreeNode<K, V>) -> Option<RBTreeNode<K, V>>
    where
        K: Clone,
    {
        let (key, value) = node.0.take().expect("a node");
        let old = self.0.insert(key.clone(), value);
        old.map(|value| RBTreeNode(Some((key, value))))
    }

    pub(crate) fn remove_node(&mut self, key: &K) -> Option<RBTreeNode<K, V>> {
        self.0
            .remove_entry(key)
            .map(|entry| RBTreeNode(Some(entry)))
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.values()
    }
}

impl<K, V> Drop for RBTree<K, V> {
    fn drop(&mut self) {
        might_sleep();
    }
}
