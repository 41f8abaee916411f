# SPDX-License-Identifier: GPL-2.0
#
# Without KDIR everything happens in the lab: a chroot in one cache folder, with
# the stock kernel's build tree, made on first use (tools/setup). With KDIR the
# module is built on this host against any prepared tree with Rust support.
#
# Kbuild, not this file, is what the kernel's build system reads.

CACHE := $(or $(RUST_PCIBACK_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rust-pciback)
KFLAGS ?= -Dwarnings

.DEFAULT_GOAL := module
.PHONY: module cli install install-cli sign deb clean distclean setup demo test test-host test-cli test-model test-package test-vm test-all test-debug test-kernels fuzz mutants coverage bench lint rust-analyzer help

ifdef KDIR
module:
	$(MAKE) -C $(KDIR) M=$(CURDIR) KRUSTFLAGS=$(KFLAGS) modules

clean:
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean

rust-analyzer:
	$(MAKE) -C $(KDIR) M=$(CURDIR) rust-analyzer
else
module:
	@tools/setup build
	@tools/build module

clean:
	@tools/build clean

# rust-project.json, which rust-analyzer looks for in the folder that an editor opens.
rust-analyzer:
	@tools/setup build
	@tools/build rust-analyzer
endif

# Onto a real machine: DESTDIR or INSTALL_MOD_PATH put it elsewhere than /.
install: KDIR ?= /lib/modules/$(shell uname -r)/build
install: INSTALL_MOD_PATH ?= $(DESTDIR)
install:
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(INSTALL_MOD_PATH) modules_install

# For Secure Boot, with a key that this machine's firmware or shim trusts.
MODULE ?= rust_pciback.ko
sign:
	@[ -n "$(KEY)" ] && [ -n "$(CERT)" ] || { echo 'usage: make sign KEY=FILE CERT=FILE [MODULE=FILE]' >&2; exit 2; }
	@packaging/libexec/sign "$(KEY)" "$(CERT)" "$(MODULE)"

deb:
	@tools/deb

distclean:
	@tools/distclean

setup:
	@tools/setup all

cli:
	@tools/build cli

# What `make cli` leaves, or packages have built already in BUILT.
ifndef BUILT
install-cli: cli
endif
install-cli: BUILT ?= $(CACHE)/build/cli
install-cli:
	install -D -t $(DESTDIR)/usr/bin $(BUILT)/pcibackctl
	install -D -m 644 -t $(DESTDIR)/usr/share/man/man8 $(BUILT)/man/*.8
	install -D -m 644 $(BUILT)/pcibackctl.bash $(DESTDIR)/usr/share/bash-completion/completions/pcibackctl
	install -D -m 644 $(BUILT)/pcibackctl.zsh $(DESTDIR)/usr/share/zsh/vendor-completions/_pcibackctl
	install -D -m 644 $(BUILT)/pcibackctl.fish $(DESTDIR)/usr/share/fish/vendor_completions.d/pcibackctl.fish

demo:
	@tools/setup vm
	@tools/build module
	@tools/vm --demo

# What must pass before a change is sent. Lint is part of it: a warning is a failure.
test:
	@tools/test

test-host:
	@tools/test host

test-cli:
	@tools/test cli

test-model:
	@tools/test model

test-package:
	@tools/test package

test-vm:
	@tools/test vm

# And what takes longer, as far as stock kernels can run it.
test-all:
	@tools/test --tier all

# Hours: the whole on two debug kernels, storms, and schedules by the million.
test-debug:
	@tools/test --tier debug

# The kernels of Debian that the module is for, but the usual one.
test-kernels:
	@tools/test --tier kernels

fuzz:
	@tools/fuzz

# Hours, too.
mutants:
	@tools/mutants

coverage:
	@tools/coverage

bench:
	@tools/bench

lint:
	@tools/test lint

help:
	@echo 'make             build rust_pciback.ko for the stock kernel of the lab'
	@echo 'make KDIR=DIR    build it on this host against a prepared kernel tree'
	@echo 'make cli         build pcibackctl, static, with its man pages and completions'
	@echo 'make install     install it for the running kernel (KDIR=, DESTDIR= to change)'
	@echo 'make install-cli install pcibackctl (DESTDIR= to change)'
	@echo 'make sign        sign it for Secure Boot (KEY=, CERT=, MODULE=)'
	@echo 'make deb         build the Debian packages, in the lab'
	@echo 'make demo        boot Xen with a PVH dom0 in QEMU and watch the module work'
	@echo 'make test        what must pass before a change is sent: lint, on the host, models, in VMs'
	@echo '                 (make lint, test-host, test-cli, test-model, test-vm: one kind)'
	@echo 'make test-all    and what takes longer on stock kernels: more inputs, faults, the C driver'
	@echo 'make test-debug  debug kernels, storms, millions of schedules; hours (Documentation/security.md)'
	@echo 'make test-kernels all kernels that the module is for: built, and booted with a core of the tests'
	@echo '                 (KERNEL=7.3 or sid, ARCH=arm64: make, setup, test, demo for that one)'
	@echo 'make fuzz        what can be written, 10 million times'
	@echo 'make mutants     whether the tests of pure/ would notice if it were different; hours'
	@echo 'make coverage    which lines and branches of pure/ they go through'
	@echo 'make bench       measure it against the C driver (Documentation/performance.md)'
	@echo 'make lint        format and style checks of everything'
	@echo 'make rust-analyzer'
	@echo '                 write rust-project.json, for editors (KDIR= for that kernel)'
	@echo 'make setup       set up all of the lab now, the parts for tests included'
	@echo 'make clean       remove what a build left here'
	@echo 'make distclean   and remove the lab: $(CACHE)'
	@echo 'tools/vm --help  a dom0 to play with'
