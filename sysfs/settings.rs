// SPDX-License-Identifier: GPL-2.0

//! Attributes in `/sys/bus/pci/drivers/pciback` that list, and change, what guests may do with
//! claimed devices. Names and formats are those of the C driver; `restrictive` is OpenXT's.

use super::parse::malformed;
use crate::{
    device::{
        claimed::Claimed,
        intx,
        registry,
        settings::Flags, //
    },
    kapi::{
        attr::{
            DriverStore,
            LargeShow, //
        },
        log::log_limited, //
    },
    pure::{
        bdf_grammar::parse_pattern,
        config_field::parse_quirk,
        sbdf::Sbdf,
        text_window::TextWindow, //
    },
};
use core::{
    ffi::CStr,
    fmt::Write, //
};
use kernel::{
    pci,
    prelude::*, //
};

/// Logs that no claimed device has the address.
fn not_claimed(file: &str, address: impl kernel::fmt::Display, error: Error) -> Error {
    log_limited!(
        pr_warn,
        "{file}: {address} is not claimed ({})\n",
        error.to_errno()
    );
    error
}

/// Does something to each claimed device that the address in `text` covers.
///
/// # Errors
///
/// - `EINVAL`: the text is no address.
/// - `missing`: it covers no claimed device.
/// - `ENOMEM`: no memory.
fn for_each(file: &'static str, text: &[u8], missing: Error, action: impl Fn(&Claimed)) -> Result {
    let pattern = parse_pattern(text).map_err(malformed(file))?;
    let mut found = false;
    for claimed in registry::all()? {
        if pattern.covers(claimed.sbdf) {
            action(&claimed);
            found = true;
        }
    }
    if found {
        Ok(())
    } else {
        Err(not_claimed(file, pattern, missing))
    }
}

/// Shows something of each claimed device.
fn show_each(
    pos: usize,
    out: &mut [u8],
    show: impl Fn(&mut TextWindow<'_>, &Claimed) -> Result,
) -> Result<usize> {
    let mut window = TextWindow::new(pos, out);
    for claimed in registry::all()? {
        show(&mut window, &claimed)?;
    }
    Ok(window.filled())
}

/// Shows the address of each claimed device whose settings have a flag.
fn show_flagged(pos: usize, out: &mut [u8], has: impl Fn(Flags) -> bool) -> Result<usize> {
    show_each(pos, out, |window, claimed| {
        if has(claimed.settings.flags()) {
            line(window, format_args!("{}\n", claimed.sbdf))?;
        }
        Ok(())
    })
}

fn line(window: &mut TextWindow<'_>, text: core::fmt::Arguments<'_>) -> Result {
    window.write_fmt(text).map_err(|_| EINVAL)
}

/// `permissive`: the devices whose guests may write any field of the configuration space.
pub(super) struct Permissive;

impl DriverStore for Permissive {
    const NAME: &'static CStr = c"permissive";

    fn store(text: &[u8]) -> Result {
        for_each("permissive", text, ENODEV, |claimed| {
            let before = claimed.settings.change(|flags| flags.permissive = true);
            if !before.permissive {
                log_limited!(
                    dev_warn,
                    &claimed.device,
                    "permissive: its guest may write any field of its configuration space\n"
                );
            }
        })
    }
}

impl LargeShow for Permissive {
    const NAME: &'static CStr = c"permissive";

    fn read(pos: usize, out: &mut [u8]) -> Result<usize> {
        show_flagged(pos, out, |flags| flags.permissive)
    }
}

/// `keep_permissive`: the devices that stay permissive from one guest to the next.
pub(super) struct KeepPermissive;

impl DriverStore for KeepPermissive {
    const NAME: &'static CStr = c"keep_permissive";

    fn store(text: &[u8]) -> Result {
        for_each("keep_permissive", text, ENODEV, |claimed| {
            let before = claimed.settings.change(|flags| {
                flags.permissive = true;
                flags.keeps_permissive = true;
            });
            if !before.keeps_permissive {
                log_limited!(
                    dev_warn,
                    &claimed.device,
                    "permissive until it is released: all its guests may write any field of its configuration space\n"
                );
            }
        })
    }
}

impl LargeShow for KeepPermissive {
    const NAME: &'static CStr = c"keep_permissive";

    fn read(pos: usize, out: &mut [u8]) -> Result<usize> {
        show_flagged(pos, out, |flags| flags.keeps_permissive)
    }
}

/// `restrictive`: undoes `permissive` and `keep_permissive`.
pub(super) struct Restrictive;

impl DriverStore for Restrictive {
    const NAME: &'static CStr = c"restrictive";

    fn store(text: &[u8]) -> Result {
        for_each("restrictive", text, ENODEV, |claimed| {
            claimed.settings.change(|flags| {
                flags.permissive = false;
                flags.keeps_permissive = false;
            });
        })
    }
}

/// `allow_interrupt_control`: the devices whose stub domains may turn interrupts on and off.
pub(super) struct AllowInterruptControl;

impl DriverStore for AllowInterruptControl {
    const NAME: &'static CStr = c"allow_interrupt_control";

    fn store(text: &[u8]) -> Result {
        for_each("allow_interrupt_control", text, ENODEV, |claimed| {
            claimed
                .settings
                .change(|flags| flags.interrupt_control = true);
        })
    }
}

impl LargeShow for AllowInterruptControl {
    const NAME: &'static CStr = c"allow_interrupt_control";

    fn read(pos: usize, out: &mut [u8]) -> Result<usize> {
        show_flagged(pos, out, |flags| flags.interrupt_control)
    }
}

/// `irq_handler_state`: switches the handler on or off.
pub(super) struct IrqHandlerState;

impl DriverStore for IrqHandlerState {
    const NAME: &'static CStr = c"irq_handler_state";

    fn store(text: &[u8]) -> Result {
        for_each("irq_handler_state", text, ENOENT, intx::switch_handler)
    }
}

/// `irq_handlers`: whether each device has one, and what it did.
pub(super) struct IrqHandlers;

impl LargeShow for IrqHandlers {
    const NAME: &'static CStr = c"irq_handlers";

    fn read(pos: usize, out: &mut [u8]) -> Result<usize> {
        show_each(pos, out, |window, claimed| {
            let flags = claimed.settings.flags();
            let handler = if flags.handler { "on" } else { "off" };
            let acknowledges = if flags.acknowledges { "ack" } else { "not ack" };
            let handled = intx::handled(claimed);
            line(
                window,
                format_args!("{}:{handler}:{acknowledges}ing:{handled}\n", claimed.sbdf),
            )
        })
    }
}

/// `quirks`: fields of the configuration space that guests may write beside the usual ones.
pub(super) struct Quirks;

impl DriverStore for Quirks {
    const NAME: &'static CStr = c"quirks";

    fn store(text: &[u8]) -> Result {
        let (sbdf, field) = parse_quirk(text).map_err(malformed("quirks"))?;
        let claimed = registry::find(sbdf).ok_or_else(|| not_claimed("quirks", sbdf, ENODEV))?;
        claimed.settings.add_field(field)
    }
}

impl LargeShow for Quirks {
    const NAME: &'static CStr = c"quirks";

    fn read(pos: usize, out: &mut [u8]) -> Result<usize> {
        show_each(pos, out, |window, claimed| {
            quirk_head(window, claimed.sbdf, &claimed.device)?;
            claimed.settings.each_field(|field| {
                line(
                    window,
                    format_args!(
                        "\t\t{:08x}:{:01x}:{:08x}\n",
                        field.offset, field.size, field.mask
                    ),
                )
            })
        })
    }
}

/// The two lines of a device; its domain is not part of the format.
fn quirk_head(window: &mut TextWindow<'_>, sbdf: Sbdf, device: &pci::Device) -> Result {
    line(
        window,
        format_args!(
            "{:02x}:{:02x}.{:01x}\n\t{:04x}:{:04x}:{:04x}:{:04x}\n",
            sbdf.bus(),
            sbdf.slot(),
            sbdf.function(),
            device.vendor_id().as_raw(),
            device.device_id(),
            device.subsystem_vendor_id(),
            device.subsystem_device_id()
        ),
    )
}
