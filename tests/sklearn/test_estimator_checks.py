"""Scikit-learn's own checks of estimators, all of them; none is expected to fail."""

from typing import Any

import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.6")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from adjoint.sklearn import Classifier, Regressor  # noqa: E402

# The checks fit hundreds of times. The defaults pass too, and take twice as long.
QUICK: dict[str, Any] = {"max_epochs": 50, "learning_rate": 0.01}


@parametrize_with_checks([Classifier(**QUICK), Regressor(**QUICK)])
def test_checks_of_sklearn(estimator: Any, check: Any) -> None:
    check(estimator)
