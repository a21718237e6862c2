"""Scikit-learn estimators: networks with `fit`, `predict` and `score`."""
