"""Scikit-learn estimators: a perceptron of several layers with `fit`, `predict` and `score`.

They take part in pipelines, grid searches and cross-validation as scikit-learn's own do, and learn
by `adjoint.nn`, `adjoint.optim`, `adjoint.data` and `adjoint.compile`. Scikit-learn is an extra.
"""

from importlib.util import find_spec as _find_spec

import adjoint as _ad

if _find_spec("sklearn") is None:
    raise _ad.data.MissingExtra(
        "adjoint.sklearn needs scikit-learn, which is not installed.\n"
        "  Try: python -m pip install 'adjoint[sklearn]'"
    )

from adjoint.sklearn.classifier import Classifier as Classifier
from adjoint.sklearn.regressor import Regressor as Regressor

__all__ = ["Classifier", "Regressor"]
