"""Scikit-learn's own checks of estimators, all of them."""

from typing import Any

import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.6")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from adjoint.sklearn import Classifier, Regressor  # noqa: E402


@parametrize_with_checks([Classifier(), Regressor()])
def test_checks_of_sklearn(estimator: Any, check: Any) -> None:
    check(estimator)
