# SPDX-License-Identifier: GPL-2.0
"""The lint of commits, against a good one and one for each rule that is broken."""

import pytest
from commits import LONGEST_SUBJECT, faults

AUTHOR = ("A. Author", "author@example.org")
SUBJECT = "stub: refuse devices that Xen does not have"
BODY = "A guest could not use them.\n\nTested in a VM."
SIGNED = "Signed-off-by: A. Author <author@example.org>"
LONG = "stub: " + "x" * (LONGEST_SUBJECT - len("stub: "))


@pytest.mark.parametrize(
    "message",
    [
        f"{SUBJECT}\n\n{BODY}\n\n{SIGNED}\n",
        f"backend, kapi/pci: say it once\n\n{BODY}\n\n{SIGNED}\n",
        f'Revert "{SUBJECT}"\n\nThis reverts commit 0123456789ab.\n\n{SIGNED}\n',
        f"{LONG}\n\n{BODY}\n\nSigned-off-by: B <b@example.org>\n{SIGNED}\n",
        f"{SUBJECT}\n\n{BODY}\n\nSigned-off-by: A. Author <elsewhere@example.org>\n",
    ],
)
def test_good_commits_pass(message: str) -> None:
    """As CONTRIBUTING.md asks for them."""
    assert list(faults(*AUTHOR, message)) == []


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (f"{LONG}x\n\n{BODY}\n\n{SIGNED}\n", "characters"),
        (f"Refuse some devices\n\n{BODY}\n\n{SIGNED}\n", "part: what changed"),
        (f"stub:refuse\n\n{BODY}\n\n{SIGNED}\n", "part: what changed"),
        (f"{SUBJECT}.\n\n{BODY}\n\n{SIGNED}\n", "full stop"),
        (f"{SUBJECT}\n{BODY}\n\n{SIGNED}\n", "blank line"),
        (f"{SUBJECT}\n\n{SIGNED}\n", "no body"),
        (f"{SUBJECT}\n\nReviewed-by: B <b@example.org>\n{SIGNED}\n", "no body"),
        (f"{SUBJECT}\n\n{BODY}\n", "Signed-off-by"),
        (f"{SUBJECT}\n\n{BODY}\n\nSigned-off-by: B <b@example.org>\n", "Signed-off-by"),
        (f"{SUBJECT}\n\n{BODY}\n\nSigned-off-by: A. Author\n", "Signed-off-by"),
    ],
)
def test_each_broken_rule_is_found(message: str, why: str) -> None:
    """One rule is broken, and said."""
    assert [why in fault for fault in faults(*AUTHOR, message)] == [True]
