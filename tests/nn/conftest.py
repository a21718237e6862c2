"""Prints how many cases were compared with PyTorch, and the largest difference."""

from typing import Any

from tests.nn.parity import PARITY


def pytest_terminal_summary(terminalreporter: Any) -> None:
    found: dict[str, list[float]] = {}
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == PARITY:
                dtype, _, difference = value.partition(" ")
                found.setdefault(dtype, []).append(float(difference))
    for dtype, differences in sorted(found.items()):
        terminalreporter.write_line(
            f"layers against PyTorch, {dtype}: {len(differences)} cases, "
            f"largest difference {max(differences):.1e} of the largest element"
        )
