# SPDX-License-Identifier: GPL-2.0
"""Print what a user's cargo configuration says of the way to crates, for cargo in the chroot.

    cargo_config.py FILE            registries, sources and proxies
    cargo_config.py FILE cainfo     the file with certificates that it names, if it names one

What else is in it (programs, folders) is about a machine that the chroot is not. Secrets stay where
they are.
"""

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

KEPT = ("http", "net", "registries", "source")
#: Paths and programs of the host, and what is nobody else's business.
LEFT = ("cainfo", "credential-provider", "directory", "git-fetch-with-cli", "local-registry", "token")


def lines(key: str, value: object) -> Iterator[str]:
    """A value, or all that is in a table, as lines of TOML."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in LEFT:
                yield from lines(f"{key}.{json.dumps(name)}", inner)
    else:
        yield f"{key} = {json.dumps(value)}"  # What JSON has for texts, numbers and lists is TOML.


if __name__ == "__main__":
    config = tomllib.loads(Path(sys.argv[1]).read_text())
    if sys.argv[2:] == ["cainfo"]:
        print(config.get("http", {}).get("cainfo", ""))
    else:
        print(*(line for table in KEPT if table in config for line in lines(table, config[table])), sep="\n")
