# SPDX-License-Identifier: GPL-2.0
"""The mutations of the driver's layers fit the sources: what each changes is there once, and was noticed."""

import importlib
import sys
import tomllib
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
TABLE = tomllib.loads((REPO / "tests/mutants/driver.toml").read_text())["mutation"]


def test_mutations_fit() -> None:
    """Each would change something, and only that."""
    assert TABLE
    lost = [row["rule"] for row in TABLE if (REPO / row["file"]).read_text().count(row["old"]) != 1]
    assert not lost


def test_mutations_were_noticed() -> None:
    """A test failed with each."""
    sys.path.insert(0, str(REPO / "tests/mutants"))
    driver = importlib.import_module("driver")
    mutations = [driver.Mutation(**row) for row in TABLE]
    assert driver.noticed() == {(mutation.rule, mutation.file, mutation.digest) for mutation in mutations}
