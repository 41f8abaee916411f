# SPDX-License-Identifier: GPL-2.0
"""The mutations of the driver's layers fit the sources: what each changes is there once."""

import tomllib
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


def test_mutations_fit() -> None:
    """Each would change something, and only that."""
    table = tomllib.loads((REPO / "tests/mutants/driver.toml").read_text())["mutation"]
    assert table
    lost = [row["rule"] for row in table if (REPO / row["file"]).read_text().count(row["old"]) != 1]
    assert not lost
