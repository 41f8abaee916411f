// SPDX-License-Identifier: GPL-2.0
/* The kernel's red-black trees (tools/lib/rbtree.c of its source), and what Rust needs besides. */
#include <linux/rbtree.h>

void host_rb_link_node(struct rb_node *node, struct rb_node *parent, struct rb_node **link);

void host_rb_link_node(struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
	rb_link_node(node, parent, link);
}
