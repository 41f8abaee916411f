// SPDX-License-Identifier: GPL-2.0

//! The hierarchy, with what a reset at each place of it would reach.

use super::device::{
    blockers,
    info,
    BlockerInfo,
    DeviceInfo, //
};
use crate::{
    driver::pure::{
        sbdf::Sbdf,
        topology::{
            Reset,
            Secondary, //
        },
    },
    machine::{
        Header,
        Machine, //
    },
    planner::Hierarchy, //
};

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The answer of `tree`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Tree {
    /// The devices that were taken as claimed, because the question was so.
    pub(crate) if_claimed: Vec<String>,
    /// The root buses.
    pub(crate) roots: Vec<Root>,
}

/// A root bus.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Root {
    /// Domain and bus, `0000:00`.
    pub(crate) bus: String,
    /// The functions on it.
    pub(crate) nodes: Vec<TreeNode>,
}

/// A function, and those below it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct TreeNode {
    /// The function.
    pub(crate) device: DeviceInfo,
    /// What a reset of all that is below it is; null for what is no bridge, or has nothing below.
    pub(crate) group: Option<Group>,
    /// The functions below it, and virtual functions of it.
    pub(crate) below: Vec<TreeNode>,
}

/// A reset of all that is below a bridge.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Group {
    /// `slot` or `bus`.
    pub(crate) by: &'static str,
    /// The addresses of all that it reaches.
    pub(crate) reaches: Vec<String>,
    /// What is in the way of it.
    pub(crate) blockers: Vec<BlockerInfo>,
}

/// Makes the tree, as it would be if these devices were claimed.
pub(crate) fn tree(machine: &Machine, if_claimed: &[usize]) -> Tree {
    let hierarchy = Hierarchy::of(machine).with_claimed(machine, if_claimed);
    let mut children: BTreeMap<Option<Sbdf>, Vec<usize>> = BTreeMap::new();
    for (index, device) in machine.devices.iter().enumerate() {
        let parent = device.physical.or(device.above);
        let parent =
            parent.filter(|parent| *parent != device.sbdf && machine.get(*parent).is_some());
        children.entry(parent).or_default().push(index);
    }
    let maker = Maker {
        machine,
        hierarchy,
        children,
    };
    let mut roots: BTreeMap<(u32, u8), Vec<TreeNode>> = BTreeMap::new();
    for index in maker.children.get(&None).into_iter().flatten() {
        if let Some(device) = machine.devices.get(*index) {
            let bus = (device.sbdf.domain(), device.sbdf.bus());
            roots.entry(bus).or_default().extend(maker.node(*index, 0));
        }
    }
    let name = |index: &usize| Some(machine.devices.get(*index)?.sbdf.to_string());
    Tree {
        if_claimed: if_claimed.iter().filter_map(name).collect(),
        roots: roots
            .into_iter()
            .map(|((domain, bus), nodes)| Root {
                bus: format!("{domain:04x}:{bus:02x}"),
                nodes,
            })
            .collect(),
    }
}

/// More levels than there are buses in a domain: a ring.
const DEEPEST: usize = 256;

struct Maker<'a> {
    machine: &'a Machine,
    hierarchy: Hierarchy,
    children: BTreeMap<Option<Sbdf>, Vec<usize>>,
}

impl Maker<'_> {
    fn node(&self, index: usize, depth: usize) -> Option<TreeNode> {
        let device = self.machine.devices.get(index)?;
        let children = self.children.get(&Some(device.sbdf));
        let below: Vec<TreeNode> = children
            .into_iter()
            .flatten()
            .filter(|_| depth < DEEPEST)
            .filter_map(|child| self.node(*child, depth + 1))
            .collect();
        let group =
            (device.header == Header::Bridge && !below.is_empty()).then(|| self.group(index));
        Some(TreeNode {
            device: info(self.machine, &self.hierarchy, index, device),
            group: group.flatten(),
            below,
        })
    }

    fn group(&self, bridge: usize) -> Option<Group> {
        let topology = self.hierarchy.topology();
        let by = topology.get(bridge)?.secondary;
        let reset = Reset::Below { bridge, by };
        let name = |index: usize| Some(self.machine.devices.get(index)?.sbdf.to_string());
        // On behalf of nobody.
        let in_the_way: Vec<_> = topology
            .blockers(reset, usize::MAX)
            .map(|blocker| (blocker.index, blocker.why))
            .collect();
        Some(Group {
            by: match by {
                Secondary::Slot => "slot",
                Secondary::Bus => "bus",
            },
            reaches: topology.scope(reset).filter_map(name).collect(),
            blockers: blockers(self.machine, &in_the_way),
        })
    }
}
