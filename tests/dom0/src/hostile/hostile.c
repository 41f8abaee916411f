// SPDX-License-Identifier: GPL-2.0
/*
 * A frontend for a PV guest that does what no frontend should, in place of xen-pcifront:
 *
 *   insmod hostile.ko what=invalid [count=N] [seed=N]
 *
 * Loading it takes as long as that, and fails where the backend doesn't answer as the protocol
 * has it, or not at all. When it is unloaded the frontend leaves.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci_regs.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/page.h>
#include <xen/xenbus.h>
#include <xen/interface/io/pciif.h>

static char *what = "";
module_param(what, charp, 0444);
MODULE_PARM_DESC(what, "invalid, refusals, orders, flip, storm, leave, states or rings");

static uint count = 1000;
module_param(count, uint, 0444);
MODULE_PARM_DESC(count, "how often, of what has no number of its own");

static uint seed = 1;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "of what is random");

static bool held;
module_param(held, bool, 0444);
MODULE_PARM_DESC(held, "dom0 holds the MSI-X table, which MSI would cost");

/* How long an answer may take: resets, and the kernel's delays of spurious events. */
#define PATIENCE (60 * HZ)
/* What the page holds behind all that the protocol has. */
#define GUARD 0xa5

static struct xenbus_device *front;
static struct xen_pci_sharedinfo *shared;
static grant_ref_t grant;
static evtchn_port_t port;
static int irq = -1;
static DECLARE_WAIT_QUEUE_HEAD(answered);
static struct rnd_state rnd;
static u32 identity;

static u32 any(void)
{
	return prandom_u32_state(&rnd);
}

static u32 below(u32 end)
{
	return any() % end;
}

static irqreturn_t handle(int number, void *data)
{
	wake_up(&answered);
	return IRQ_HANDLED;
}

static bool is_answered(void)
{
	return !test_bit(_XEN_PCIF_active, (unsigned long *)&shared->flags);
}

static void request(const struct xen_pci_op *op)
{
	memcpy(&shared->op, op, sizeof(*op));
	wmb(); /* The request, then that there is one. */
	set_bit(_XEN_PCIF_active, (unsigned long *)&shared->flags);
	notify_remote_via_evtchn(port);
}

static int wait_answer(void)
{
	if (wait_event_timeout(answered, is_answered(), PATIENCE))
		return 0;
	pr_err("hostile: no answer\n");
	return -ETIMEDOUT;
}

static bool is_guarded(void)
{
	return !memchr_inv(shared + 1, GUARD, XEN_PAGE_SIZE - sizeof(*shared));
}

/* Only error, value and vectors are the backend's to write. */
static bool is_kept(const struct xen_pci_op *op)
{
	const struct xen_pci_op *now = &shared->op;
	int i;

	for (i = 0; i < SH_INFO_MAX_VEC; i++) {
		if (now->msix_entries[i].entry != op->msix_entries[i].entry)
			return false;
	}
	return now->cmd == op->cmd && now->domain == op->domain && now->bus == op->bus &&
	       now->devfn == op->devfn && now->offset == op->offset && now->size == op->size &&
	       now->info == op->info;
}

/* Asks, and takes any answer that the protocol has. */
static int ask(struct xen_pci_op *op)
{
	int error;

	request(op);
	error = wait_answer();
	if (error)
		return error;
	if (!is_kept(op) || !is_guarded()) {
		pr_err("hostile: the backend wrote what isn't its to write, for operation %u\n", op->cmd);
		return -EPROTO;
	}
	op->err = shared->op.err;
	op->value = shared->op.value;
	if (op->err < XEN_PCI_ERR_op_failed || op->err > XEN_PCI_ERR_success) {
		pr_err("hostile: operation %u: error %d\n", op->cmd, op->err);
		return -EPROTO;
	}
	return 0;
}

static int ask_config(u32 cmd, int offset, int size, u32 *value)
{
	struct xen_pci_op op = { .cmd = cmd, .offset = offset, .size = size, .value = *value };
	int error = ask(&op);

	*value = op.value;
	return error;
}

static int get(int offset, int size, u32 *value)
{
	*value = 0;
	return ask_config(XEN_PCI_OP_conf_read, offset, size, value);
}

static int put(int offset, int size, u32 value)
{
	return ask_config(XEN_PCI_OP_conf_write, offset, size, &value);
}

/* Whatever was done, the device is the one that it was. */
static int check_identity(void)
{
	u32 now;
	int error = get(PCI_VENDOR_ID, 4, &now);

	if (error)
		return error;
	if (!identity)
		identity = now;
	if (now == identity)
		return 0;
	pr_err("hostile: it was %08x and is %08x\n", identity, now);
	return -EPROTO;
}

static int find_capability(u32 wanted)
{
	u32 at, id;
	int tries;

	if (get(PCI_CAPABILITY_LIST, 1, &at))
		return 0;
	for (tries = 0; at >= 0x40 && tries < 48; tries++) {
		if (get(at, 1, &id))
			return 0;
		if (id == wanted)
			return at;
		if (get(at + 1, 1, &at))
			return 0;
	}
	return 0;
}

/* Each operation, with each field that can't be. */
static int do_invalid(void)
{
	static const u32 commands[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255, 0x80000000, ~0 };
	static const u32 places[][3] = {
		{ 0, 0, 0 }, { 0, 0, 0xf8 }, { 1, 0, 0 }, { ~0, 0, 0 }, { 0, 1, 0 }, { 0, 0x100, 0 },
		{ 0, ~0, 0 }, { 0, 0, 0x100 }, { 0, 0, ~0 },
	};
	static const int offsets[] = { 0, 1, 3, 4, 0x10, 0x3d, 0x40, 0xfc, 0xff, 0x100, 0xffc, 0xfff, 0x1000,
				       0x10000, -1, -4, -0xff0, INT_MIN, INT_MAX };
	static const int sizes[] = { 1, 2, 4, 0, 3, 5, 8, 256, 4096, -1, INT_MIN };
	static const u32 values[] = { 0, 1, 2, 127, 128, 129, 0xffff, 0x7fffffff, 0x80000000, ~0 };
	struct xen_pci_op op;
	int c, p, o, s, v, i, error;

	for (c = 0; c < ARRAY_SIZE(commands); c++) {
		for (p = 0; p < ARRAY_SIZE(places); p++) {
			/* The number decides about places in few operations only. */
			int most = commands[c] < 2 && !p ? ARRAY_SIZE(offsets) : 1;

			for (o = 0; o < most; o++) {
				for (s = 0; s < (most > 1 ? ARRAY_SIZE(sizes) : 1); s++) {
					v = below(ARRAY_SIZE(values));
					get_random_bytes(&op, sizeof(op));
					op.cmd = commands[c];
					op.domain = places[p][0];
					op.bus = places[p][1];
					op.devfn = places[p][2];
					op.offset = offsets[o];
					op.size = sizes[s];
					op.value = values[v];
					error = ask(&op);
					if (error)
						return error;
				}
			}
			error = check_identity();
			if (error)
				return error;
		}
	}
	/* As many vectors as can't be, the same twice, and beyond the table. */
	for (v = 0; v < ARRAY_SIZE(values); v++) {
		for (i = 0; i < 3; i++) {
			int at;

			memset(&op, 0, sizeof(op));
			op.cmd = XEN_PCI_OP_enable_msix;
			op.value = values[v];
			for (at = 0; at < SH_INFO_MAX_VEC; at++)
				op.msix_entries[at].entry = i == 0 ? at : i == 1 ? 0 : 0xffff - at;
			error = ask(&op);
			if (error)
				return error;
		}
	}
	return check_identity();
}

/* Asks for interrupts, of vectors from `first` on, and wants that answer. */
static int expect(u32 cmd, u16 first, int answer)
{
	struct xen_pci_op op = { .cmd = cmd, .value = 2 };
	int error;

	op.msix_entries[0].entry = first;
	op.msix_entries[1].entry = first + 1;
	error = ask(&op);
	if (error || op.err == answer)
		return error;
	pr_err("hostile: operation %u from vector %u on: error %d, not %d\n", cmd, first, op.err, answer);
	return -EPROTO;
}

/* Wants MSI and MSI-X to be on, or off. */
static int expect_enabled(int msi, bool msi_on, int msix, bool msix_on)
{
	u32 flags, table;
	int error = get(msi + PCI_MSI_FLAGS, 2, &flags);

	if (!error)
		error = get(msix + PCI_MSIX_FLAGS, 2, &table);
	if (error)
		return error;
	if (msi_on == !!(flags & PCI_MSI_FLAGS_ENABLE) && msix_on == !!(table & PCI_MSIX_FLAGS_ENABLE))
		return 0;
	pr_err("hostile: MSI has %04x, MSI-X %04x\n", flags, table);
	return -EPROTO;
}

/* A guest never has both. */
static int check_one_kind(int msi, int msix)
{
	u32 flags = 0, table = 0;
	int error = msi && msix ? get(msi + PCI_MSI_FLAGS, 2, &flags) : 0;

	if (!error && msi && msix)
		error = get(msix + PCI_MSIX_FLAGS, 2, &table);
	if (error || flags == 0xffff || !(flags & PCI_MSI_FLAGS_ENABLE) || !(table & PCI_MSIX_FLAGS_ENABLE))
		return error;
	pr_err("hostile: MSI and MSI-X are on\n");
	return -EPROTO;
}

/* What is refused: MSI with MSI-X, either of a device that sleeps, vectors that aren't there. */
static int do_refusals(void)
{
	enum { OK = XEN_PCI_ERR_success, REFUSED = XEN_PCI_ERR_op_failed };
	static const struct {
		u32 cmd;
		u16 first;
		int answer;
		bool msi;
		bool msix;
	} awake[] = {
		{ XEN_PCI_OP_enable_msix, 0, OK, false, true },
		{ XEN_PCI_OP_enable_msi, 0, REFUSED, false, true },
		/* Linux doesn't always turn it off before. */
		{ XEN_PCI_OP_enable_msix, 0, OK, false, true },
		{ XEN_PCI_OP_disable_msi, 0, OK, false, true },
		{ XEN_PCI_OP_disable_msix, 0, OK, false, false },
		{ XEN_PCI_OP_enable_msix, 0x7ff, REFUSED, false, false },
		{ XEN_PCI_OP_enable_msi, 0, OK, true, false },
		{ XEN_PCI_OP_enable_msix, 0, REFUSED, true, false },
		{ XEN_PCI_OP_enable_msi, 0, OK, true, false },
		{ XEN_PCI_OP_disable_msix, 0, OK, true, false },
		{ XEN_PCI_OP_disable_msi, 0, OK, false, false },
	};
	int power = find_capability(PCI_CAP_ID_PM);
	int msi = find_capability(PCI_CAP_ID_MSI);
	int msix = find_capability(PCI_CAP_ID_MSIX);
	int error, i;

	if (!power || !msi || !msix)
		return -ENXIO;
	error = expect_enabled(msi, false, msix, false);
	for (i = 0; i < ARRAY_SIZE(awake) && !error; i++) {
		if (held && awake[i].msi)
			continue;
		error = expect(awake[i].cmd, awake[i].first, awake[i].answer);
		if (!error)
			error = expect_enabled(msi, awake[i].msi, msix, awake[i].msix);
	}
	if (!error && held)
		error = expect(XEN_PCI_OP_enable_msi, 0, REFUSED);
	/* D3hot and back. */
	if (!error)
		error = put(power + PCI_PM_CTRL, 2, 3);
	if (!error)
		error = expect(XEN_PCI_OP_enable_msi, 0, REFUSED);
	if (!error)
		error = expect(XEN_PCI_OP_enable_msix, 0, REFUSED);
	if (!error)
		error = put(power + PCI_PM_CTRL, 2, 0);
	if (!error)
		error = expect_enabled(msi, false, msix, false);
	return error ? error : check_identity();
}

/* MSI, MSI-X, decode and power states on and off, in any order; MSI and MSI-X never together. */
static int do_orders(void)
{
	int power = find_capability(PCI_CAP_ID_PM);
	int msi = find_capability(PCI_CAP_ID_MSI);
	int msix = find_capability(PCI_CAP_ID_MSIX);
	int error = 0;
	uint i;

	for (i = 0; i < count && !error; i++) {
		struct xen_pci_op op = {};
		u32 at;

		switch (below(8)) {
		case 0:
		case 1:
			op.cmd = XEN_PCI_OP_enable_msi + below(4);
			op.value = 1 + below(4);
			for (at = 0; at < op.value; at++)
				op.msix_entries[at].entry = at;
			error = ask(&op);
			if (!error)
				error = check_one_kind(msi, msix);
			break;
		case 2:
			error = put(PCI_COMMAND, 2, below(8));
			break;
		case 3:
			error = put(PCI_COMMAND, 2, any());
			break;
		case 4:
			error = msi ? put(msi + PCI_MSI_FLAGS, 2, any()) : 0;
			break;
		case 5:
			error = msix ? put(msix + PCI_MSIX_FLAGS, 2, any()) : 0;
			break;
		case 6:
			error = power ? put(power + PCI_PM_CTRL, 2, below(4)) : 0;
			break;
		default:
			error = put(PCI_BASE_ADDRESS_0 + 4 * below(6), 4, below(2) ? ~0 : any());
		}
	}
	if (!error && power)
		error = put(power + PCI_PM_CTRL, 2, 0);
	return error ? error : check_identity();
}

static bool flipping;

static int flip(void *data)
{
	u32 *words = (u32 *)&shared->op;
	struct rnd_state own;

	prandom_seed_state(&own, seed);
	while (!kthread_should_stop()) {
		u32 at = prandom_u32_state(&own) % (sizeof(shared->op) / sizeof(u32));

		if (READ_ONCE(flipping))
			WRITE_ONCE(words[at % 2 ? at : at % 9], prandom_u32_state(&own) >> (at % 32));
		cond_resched();
	}
	return 0;
}

/*
 * The request changes while it is looked at. What it has become is another request, so there is an
 * answer once it stays as it is.
 */
static int do_flip(void)
{
	struct task_struct *task = kthread_run(flip, NULL, "flip");
	int error = 0;
	uint i;

	if (IS_ERR(task))
		return PTR_ERR(task);
	for (i = 0; i < count && !error; i++) {
		struct xen_pci_op op = { .cmd = below(6), .offset = 4 * below(64), .size = 4 };

		op.value = 1 + below(4);
		WRITE_ONCE(flipping, true);
		request(&op);
		usleep_range(100, 1000);
		WRITE_ONCE(flipping, false);
		error = wait_answer();
	}
	kthread_stop(task);
	if (!error && !is_guarded())
		error = -EPROTO;
	return error ? error : check_identity();
}

/* Events without a request. */
static int do_storm(void)
{
	unsigned long end = jiffies + 5 * HZ;

	while (time_before(jiffies, end)) {
		notify_remote_via_evtchn(port);
		cond_resched();
	}
	return check_identity();
}

static int publish(void)
{
	int error = xenbus_printf(XBT_NIL, front->nodename, "pci-op-ref", "%u", grant);

	if (!error)
		error = xenbus_printf(XBT_NIL, front->nodename, "event-channel", "%u", port);
	if (!error)
		error = xenbus_printf(XBT_NIL, front->nodename, "magic", XEN_PCI_MAGIC);
	return error;
}

static int wait_backend(enum xenbus_state wanted)
{
	unsigned long end = jiffies + PATIENCE;
	enum xenbus_state state;

	do {
		state = xenbus_read_driver_state(front, front->otherend);
		if (state == wanted)
			return 0;
		msleep(10);
	} while (time_before(jiffies, end));
	pr_err("hostile: the backend is in state %d, not %d\n", state, wanted);
	return -ETIMEDOUT;
}

static void disconnect(void)
{
	if (irq >= 0) {
		unbind_from_irqhandler(irq, &answered);
		irq = -1;
	}
	/* The page stays until the backend has unmapped it. */
	if (shared)
		xenbus_teardown_ring((void **)&shared, 1, &grant);
	shared = NULL;
}

static int connect(void)
{
	int error = xenbus_setup_ring(front, GFP_KERNEL, (void **)&shared, 1, &grant);

	if (error) {
		shared = NULL;
		return error;
	}
	memset(shared, 0, sizeof(*shared));
	memset(shared + 1, GUARD, XEN_PAGE_SIZE - sizeof(*shared));
	error = xenbus_alloc_evtchn(front, &port);
	if (error)
		return error;
	irq = bind_evtchn_to_irqhandler(port, handle, 0, "hostile", &answered);
	if (irq < 0)
		return irq;
	error = publish();
	if (!error)
		error = xenbus_switch_state(front, XenbusStateInitialised);
	if (!error)
		error = wait_backend(XenbusStateConnected);
	if (!error)
		error = xenbus_switch_state(front, XenbusStateConnected);
	return error;
}

/* Goes without a word, in the middle of a request, and comes again. */
static int do_leave(void)
{
	int error = 0;
	uint i;

	for (i = 0; i < count && !error; i++) {
		struct xen_pci_op op = { .cmd = below(6), .offset = 4 * below(64), .size = 4, .value = 1 };

		request(&op);
		if (below(2))
			disconnect();
		error = xenbus_switch_state(front, XenbusStateClosed);
		if (!error)
			error = wait_backend(XenbusStateInitialised);
		disconnect();
		if (!error)
			error = connect();
		if (!error)
			error = check_identity();
	}
	return error;
}

/* States in any order, none of which ends the connection for good. */
static int do_states(void)
{
	int error = 0;
	uint i;

	/* Else the guest's xenbus takes the device for another one, when it reads that state. */
	front->state = XenbusStateInitialising;
	for (i = 0; i < count && !error; i++) {
		u32 state = below(12);

		if (state != XenbusStateClosing)
			error = xenbus_printf(XBT_NIL, front->nodename, "state", "%u", state);
	}
	if (!error)
		error = xenbus_printf(XBT_NIL, front->nodename, "state", "%u", XenbusStateClosed);
	if (!error)
		error = wait_backend(XenbusStateInitialised);
	/* It may have been about to connect once more, to what was published before. */
	msleep(1000);
	disconnect();
	front->state = XenbusStateClosed;
	if (!error)
		error = connect();
	return error ? error : check_identity();
}

/* Pages and event channels that can't be. Nobody need be served after that. */
static int do_rings(void)
{
	static const char *const magics[] = { XEN_PCI_MAGIC, XEN_PCI_MAGIC, "6", "", "77777777777777777777" };
	int error = 0;
	uint i;

	for (i = 0; i < count && !error; i++) {
		u32 refs[] = { grant, any(), below(64), 0, ~0 }, ports[] = { port, any(), below(64), 0, ~0 };

		error = xenbus_printf(XBT_NIL, front->nodename, "state", "%u", XenbusStateClosed);
		if (!error)
			error = xenbus_printf(XBT_NIL, front->nodename, "pci-op-ref", "%u", refs[below(5)]);
		if (!error)
			error = xenbus_printf(XBT_NIL, front->nodename, "event-channel", "%u", ports[below(5)]);
		if (!error)
			error = xenbus_printf(XBT_NIL, front->nodename, "magic", "%s", magics[below(5)]);
		if (!error)
			error = xenbus_printf(XBT_NIL, front->nodename, "state", "%u", XenbusStateInitialised);
		msleep(5);
	}
	return error;
}

static int probe(struct xenbus_device *device, const struct xenbus_device_id *id)
{
	front = device;
	return 0;
}

static void leave(struct xenbus_device *device)
{
	disconnect();
	front = NULL;
}

static void changed(struct xenbus_device *device, enum xenbus_state state)
{
}

static const struct xenbus_device_id ids[] = {
	{ "pci" },
	{ "" },
};

static struct xenbus_driver driver = {
	.name = "hostile",
	.ids = ids,
	.probe = probe,
	.remove = leave,
	.otherend_changed = changed,
};

static const struct {
	const char *name;
	int (*run)(void);
} tests[] = {
	{ "invalid", do_invalid }, { "refusals", do_refusals }, { "orders", do_orders }, { "flip", do_flip },
	{ "storm", do_storm }, { "leave", do_leave }, { "states", do_states }, { "rings", do_rings },
};

static int __init hostile_init(void)
{
	int error, i;

	prandom_seed_state(&rnd, seed);
	error = xenbus_register_frontend(&driver);
	if (error)
		return error;
	error = front ? connect() : -ENODEV;
	if (!error)
		error = check_identity();
	for (i = 0; i < ARRAY_SIZE(tests) && !error; i++) {
		if (!strcmp(tests[i].name, what))
			error = tests[i].run();
	}
	if (error)
		xenbus_unregister_driver(&driver);
	else
		pr_info("hostile: %s: done\n", what);
	return error;
}

static void __exit hostile_exit(void)
{
	xenbus_unregister_driver(&driver);
}

module_init(hostile_init);
module_exit(hostile_exit);
MODULE_DESCRIPTION("Test helper: a frontend that keeps no rule");
MODULE_LICENSE("GPL");
