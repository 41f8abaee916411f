# SPDX-License-Identifier: GPL-2.0
"""Make a rust-project.json that the kernel wrote in the chroot fit for an editor outside of it.

    rust_project.py FROM TO REPOSITORY ROOT [SYSROOT]

FROM names files as the chroot sees them. TO names them as the host does, where the repository is
REPOSITORY, the chroot ROOT, and Rust's own tools SYSROOT. It is written only when something changed,
because an editor that sees it change reads the whole kernel again.
"""

import json
import os
import sys
from pathlib import Path

#: The crates without which an editor can't follow a `use` of the driver.
NEEDED = ("core", "macros", "pin_init", "bindings", "kernel", "rust_pciback")


def main(source: str, target: str, repository: str, root: str, sysroot: str | None = None) -> str | None:
    """Returns why it can't be done."""
    project = json.loads(Path(source).read_text())
    named = {crate["display_name"]: crate for crate in project["crates"]}
    files = [
        crate[key] for crate in project["crates"] for key in ("root_module", "proc_macro_dylib_path") if key in crate
    ]
    if lost := [name for name in NEEDED if name not in named] + [file for file in files if not Path(file).is_file()]:
        return f"the kernel's list of crates lacks: {' '.join(lost)}"
    if not Path(named["rust_pciback"]["root_module"]).samefile("rust_pciback.rs"):
        return f"the module is not the one here: {named['rust_pciback']['root_module']}"

    def outside(path: str) -> str:
        """The path of a file of the chroot for the host."""
        for inside, host in (("/src", repository), ("/cache", os.environ["PCIBACK_CACHE_PATH"])):
            if path == inside or path.startswith(inside + "/"):
                return host + path.removeprefix(inside)
        return root + path

    del project["sysroot"]
    if sysroot:
        project["sysroot"] = sysroot
    for crate in project["crates"]:
        for key in ("root_module", "proc_macro_dylib_path"):
            if key in crate:
                crate[key] = outside(crate[key])
        if "OBJTREE" in crate["env"]:
            crate["env"]["OBJTREE"] = outside(crate["env"]["OBJTREE"])
        for key, folders in crate.get("source", {}).items():
            crate["source"][key] = [outside(folder) for folder in folders]
    text = json.dumps(project, indent=4, sort_keys=True) + "\n"
    written = Path(target)
    if not written.is_file() or written.read_text() != text:
        written.write_text(text)
    print(f"{target}: {len(named)} crates, the driver's among them")
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
