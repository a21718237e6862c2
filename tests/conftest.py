"""What all tests share.

Hypothesis profiles, floating-point errors that show, a clean state, and the count of card checks.
"""

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import adjoint as ad
from adjoint.core.bind import state
from adjoint.core.types import default_dtype, set_default_dtype
from tests.cards import Case

settings.register_profile("default", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
settings.register_profile(
    "nightly",
    max_examples=2000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite tests/golden/*.txt from what is printed now; read the difference",
    )


@pytest.fixture(autouse=True)
def _names_for_doctests(doctest_namespace: dict[str, Any]) -> None:
    doctest_namespace |= {"ad": ad, "np": np}


@pytest.fixture(autouse=True)
def _clean_state() -> Iterator[None]:
    """Floating-point errors outside of operations are warnings, so errors; no setting leaks out."""
    dtype = default_dtype()
    with np.errstate(divide="warn", over="warn", invalid="warn", under="ignore"):
        yield
    set_default_dtype(dtype)
    left = (state.recording, state.staging, state.site)
    assert left == (True, False, None), "the test left recording off, staging on, or a place set"


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(20240229)


# -- how much was checked of the cards: summed over workers and printed at the end -----------------

CHECKS = "adjoint card checks"


@pytest.fixture(autouse=True)
def _count_card_checks(request: pytest.FixtureRequest, record_property: Any) -> None:
    case = getattr(request.node, "callspec", None) and request.node.callspec.params.get("case")
    if isinstance(case, Case):
        record_property(CHECKS, str(case))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    samples: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        samples.update(value for name, value in report.user_properties if name == CHECKS)
    if samples:
        cards = {name.rpartition("-")[0] for name in samples}
        terminalreporter.write_line(
            f"cards: {len(cards)}   samples: {len(samples)}   checks passed: {samples.total()}"
        )
