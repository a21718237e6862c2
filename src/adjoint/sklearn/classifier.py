"""Classifier: a perceptron that tells classes or labels apart."""

# Scikit-learn is an extra, and comes without types.
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d

import adjoint as ad
from adjoint.sklearn.estimator import AbstractPerceptron
from adjoint.sklearn.learning import Rows

__all__ = ["Classifier"]

Array = np.ndarray[Any, Any]
F = ad.nn.functional


class Classifier(ClassifierMixin, AbstractPerceptron):
    """A perceptron of several layers that tells classes apart.

    It minimises the cross-entropy by AdamW. Targets are classes of any kind (numbers, strings),
    or labels of which several may hold: a matrix of zeros and ones.

    Args:
        hidden_layer_sizes: units of each hidden layer.
        activation: ``"relu"``, ``"gelu"``, ``"silu"``, ``"tanh"``, ``"sigmoid"``, ``"elu"``,
            ``"leaky_relu"`` or ``"identity"``.
        dropout: probability with which a hidden unit is dropped in training.
        learning_rate: of `adjoint.optim.AdamW`.
        weight_decay: likewise.
        batch_size: rows in a batch; all rows if there are fewer.
        max_epochs: passes over the rows at most.
        standardize: scale each feature by its mean and standard deviation over the rows.
        early_stopping: hold rows out, stop when their accuracy no longer rises, and keep the
            weights of the best pass. Otherwise the loss of the training decides when to stop.
        validation_fraction: share of the rows that is held out.
        tol: what counts as better.
        n_iter_no_change: passes in a row that may be no better.
        class_weight: how much each class counts, by class; ``"balanced"``: inversely to its rows.
        random_state: seed of weights, order and dropout; the same seed gives the same bits.
        warm_start: whether `fit` goes on from where the last one ended.
        verbose: print a line for each pass.

    Attributes:
        classes_: the classes, or numbers of the labels.
        network_: the `adjoint.nn` module: it takes rows as they are, and gives scores.
        loss_curve_: mean loss of each pass.
        validation_scores_: accuracy on the held-out rows after each pass, or None.
        n_iter_: passes that were made.
        n_features_in_: number of features.
        feature_names_in_: their names, if X was a frame.

    Example:
        >>> from adjoint.sklearn import Classifier
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
        >>> model = Classifier(random_state=0).fit(X, y)
        >>> model.predict([[1.0, 1.0], [-1.0, 1.0]])
        array(['same', 'other'], dtype='<U5')
        >>> model.score(X, y) > 0.9
        True
    """

    _announced: Array | None = None  # what `partial_fit` was told, while it reads the targets

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
        class_weight: Mapping[Any, float] | str | None = None,
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
        self.class_weight = class_weight
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn in one pass over some rows, after what was learned before.

        Args:
            X: (rows, features).
            y: (rows,) classes, or (rows, labels).
            classes: all classes that will come; the first call needs them.
            sample_weight: (rows,).

        Returns:
            The estimator.
        """
        if not hasattr(self, "network_"):
            if classes is None:
                raise ValueError("partial_fit: the first call needs classes, all that will come")
            self._announced = np.unique(np.asarray(classes))
        elif classes is not None and not np.array_equal(self.classes_, np.unique(classes)):
            raise ValueError(
                f"partial_fit: classes {classes} are not those of the first call, {self.classes_}"
            )
        try:
            return self._one_pass(X, y, sample_weight)
        finally:
            self._announced = None

    def predict(self, X: Any) -> Array:
        """The most probable class of each row; of labels, 1 for those more probable than not."""
        scores = self._scores(X)
        if self._several:
            return (scores > 0).astype(int)
        return self.classes_[scores.argmax(1)]

    def decision_function(self, X: Any) -> Array:
        """The scores: (rows, classes), the largest of which wins; above 0 a label holds.

        For two classes it is one number a row, above 0 for the second: the logarithm of how much
        more probable that is than the first.
        """
        scores = self._scores(X)
        if self._several or len(self.classes_) != 2:
            return scores
        return scores[:, 1] - scores[:, 0]

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, or of each label: (rows, classes)."""
        scores = self._scores(X)
        link = ad.sigmoid if self._several else F.softmax
        return link(ad.asarray(scores)).numpy()

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of the probability of each class: (rows, classes)."""
        scores = ad.asarray(self._scores(X))
        return (F.logsigmoid(scores) if self._several else ad.log_softmax(scores)).numpy()

    # -- what the base class asks for --------------------------------------------------------------

    def _read_targets(self, y: Any, reset: bool) -> Array:
        assert_all_finite(np.asarray(y), input_name="y")
        check_classification_targets(y)
        if type_of_target(y, input_name="y") == "multilabel-indicator":
            whole: Any = np.int64
            labels = check_array(y, dtype=whole, input_name="y")
            classes = self._announced
            self._know(np.arange(labels.shape[1]) if classes is None else classes, True, reset)
            return labels.astype(np.float64)
        y = column_or_1d(y, warn=True)
        classes = self._announced
        self._know(np.unique(y) if classes is None and reset else classes, False, reset)
        indices = np.searchsorted(self.classes_, y)
        indices = np.minimum(indices, len(self.classes_) - 1)
        strange = self.classes_[indices] != y
        if strange.any():
            raise ValueError(f"y has {y[strange][0]!r}, which is not among {self.classes_}")
        return indices.astype(np.int64)

    def _know(self, classes: Any, several: bool, reset: bool) -> None:
        if reset:
            self.classes_, self._several = classes, several
        elif several != self._several or (several and len(classes) != len(self.classes_)):
            raise ValueError("y is of another kind than it was in the first call")

    def _outputs(self) -> int:
        return len(self.classes_)

    def _loss(self, scores: Any, targets: Any) -> Any:
        if targets.ndim == 2:
            each = F.binary_cross_entropy_with_logits(scores, targets, reduction="none")
            return each.mean(axis=1)
        one_hot = (targets[:, None] == ad.arange(scores.shape[1])).astype(scores.dtype)
        return F.cross_entropy(scores, one_hot, reduction="none")

    def _merit(self, scores: Array, rows: Rows) -> float:
        if rows.targets.ndim == 2:
            right = ((scores > 0) == (rows.targets > 0)).all(1)
        else:
            right = scores.argmax(1) == rows.targets
        return float(np.average(right, weights=rows.weights))

    def _strata(self, targets: Array) -> Array | None:
        return targets if targets.ndim == 1 else None

    def _weigh(self, weights: Array, targets: Array) -> Array:
        if self.class_weight is None:
            return weights
        if self._several:
            raise ad.errors.ArgumentError(
                "Classifier: class_weight is of classes that exclude each other, and y has labels"
            )
        given = self.classes_[targets]
        if isinstance(self.class_weight, str):
            # shares of the weights rather than of the rows: a weight of 2 is a row twice
            if self.class_weight != "balanced":
                self._need(False, "class_weight", "a dict, 'balanced' or None")
            share = np.bincount(targets, weights, len(self.classes_))
            return weights * (weights.sum() / np.maximum(share, 1e-300))[targets]
        return weights * compute_sample_weight(dict(self.class_weight), given)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
