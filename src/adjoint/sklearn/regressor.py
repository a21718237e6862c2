"""Regressor: a perceptron that estimates one number, or several."""

# Scikit-learn is an extra, and comes without types.
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array, column_or_1d

from adjoint.sklearn.estimator import AbstractPerceptron
from adjoint.sklearn.learning import Rows
from adjoint.sklearn.network import spread

__all__ = ["Regressor"]

Array = np.ndarray[Any, Any]


class Regressor(RegressorMixin, AbstractPerceptron):
    """A perceptron of several layers that estimates numbers.

    It minimises the squared error, in units of the targets' standard deviations, by AdamW.

    Args:
        hidden_layer_sizes: units of each hidden layer.
        activation: ``"relu"``, ``"gelu"``, ``"silu"``, ``"tanh"``, ``"sigmoid"``, ``"elu"``,
            ``"leaky_relu"`` or ``"identity"``.
        dropout: probability with which a hidden unit is dropped in training.
        learning_rate: of `adjoint.optim.AdamW`.
        weight_decay: likewise.
        batch_size: rows in a batch; all rows if there are fewer.
        max_epochs: passes over the rows at most.
        standardize: scale features and targets by means and standard deviations over the rows.
        early_stopping: hold rows out, stop when their R² no longer rises, and keep the weights of
            the best pass. Otherwise the loss of the training decides when to stop.
        validation_fraction: share of the rows that is held out.
        tol: what counts as better.
        n_iter_no_change: passes in a row that may be no better.
        random_state: seed of weights, order and dropout; the same seed gives the same bits.
        warm_start: whether `fit` goes on from where the last one ended.
        verbose: print a line for each pass.

    Attributes:
        network_: the `adjoint.nn` module: it takes rows as they are, and gives the estimates.
        loss_curve_: mean loss of each pass.
        validation_scores_: R² on the held-out rows after each pass, or None.
        n_iter_: passes that were made.
        n_outputs_: numbers that are estimated for each row.
        n_features_in_: number of features.
        feature_names_in_: their names, if X was a frame.

    Example:
        >>> from adjoint.sklearn import Regressor
        >>> X = np.linspace(-3, 3, 200)[:, None]
        >>> model = Regressor((50, 50), random_state=0).fit(X, np.sin(X[:, 0]))
        >>> model.predict([[0.0], [1.5]]).round(1) + 0.0
        array([0., 1.])
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        dropout: float = 0.0,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        batch_size: int = 64,
        max_epochs: int = 200,
        standardize: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn in one pass over some rows, after what was learned before.

        What features and targets are scaled by is decided by the first call.

        Args:
            X: (rows, features).
            y: (rows,) or (rows, outputs).
            sample_weight: (rows,).

        Returns:
            The estimator.
        """
        return self._one_pass(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """The estimates: (rows,), or (rows, outputs) if there are several."""
        scores = self._scores(X)
        return scores[:, 0] if self.n_outputs_ == 1 else scores

    # -- what the base class asks for --------------------------------------------------------------

    def _read_targets(self, y: Any, reset: bool) -> Array:
        wide: Any = np.float64
        y = check_array(y, dtype=wide, ensure_2d=False, input_name="y")
        if y.ndim == 1 or y.shape[1] == 1:
            y = column_or_1d(y, warn=True)[:, None]
        if reset:
            self.n_outputs_ = y.shape[1]
        elif y.shape[1] != self.n_outputs_:
            raise ValueError(f"y has {y.shape[1]} outputs, the first one had {self.n_outputs_}")
        return y

    def _outputs(self) -> int:
        return self.n_outputs_

    def _scale_targets(self, rows: Rows) -> None:
        self.network_.scale_by("output", *spread(rows.targets, rows.weights))

    def _loss(self, scores: Any, targets: Any) -> Any:
        error = (scores - targets) / self.network_.output_scale
        return (error * error).mean(axis=1)

    def _merit(self, scores: Array, rows: Rows) -> float:
        weights = rows.weights[:, None]
        mean = np.average(rows.targets, axis=0, weights=rows.weights)
        error = (weights * (scores - rows.targets) ** 2).sum(0)
        whole = (weights * (rows.targets - mean) ** 2).sum(0)
        share = np.divide(error, whole, out=np.where(error > 0, 1.0, 0.0), where=whole > 0)
        return float(np.mean(1.0 - share))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
