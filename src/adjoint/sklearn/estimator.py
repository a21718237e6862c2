"""What both estimators share: parameters, fitting, stopping, copies and files."""

# Scikit-learn is an extra, and comes without types.
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

import adjoint as ad
from adjoint.sklearn.learning import Learner, Rows, outputs
from adjoint.sklearn.network import ACTIVATIONS, Perceptron, spread
from adjoint.sklearn.plain import plain, restored
from adjoint.sklearn.stopping import Best

__all__ = ["AbstractPerceptron"]

Array = np.ndarray[Any, Any]


class AbstractPerceptron(BaseEstimator):
    """A perceptron of several layers as an estimator; `Classifier` and `Regressor` are it.

    A subclass reads the targets (`_read_targets`), has a `_loss` per row, and says how good outputs
    are (`_merit`).
    """

    activation: str
    batch_size: Any
    dropout: float
    early_stopping: bool
    hidden_layer_sizes: Any
    learning_rate: float
    max_epochs: int
    n_iter_no_change: int
    random_state: Any
    standardize: bool
    tol: float
    validation_fraction: float
    verbose: Any
    warm_start: bool
    weight_decay: float

    def _read_targets(self, y: Any, reset: bool) -> Array:
        """Targets as the loss takes them; `reset` says whether a training begins."""
        raise NotImplementedError

    def _outputs(self) -> int:
        """How many outputs the network has."""
        raise NotImplementedError

    def _loss(self, scores: Any, targets: Any) -> Any:
        """The loss of each row."""
        raise NotImplementedError

    def _merit(self, scores: Array, rows: Rows) -> float:
        """How good the outputs for some rows are; the best is 1."""
        raise NotImplementedError

    # -- fitting -----------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from rows; the earlier learning is forgotten unless `warm_start` is set.

        Args:
            X: (rows, features): an array or a frame of numbers.
            y: (rows,) or (rows, outputs).
            sample_weight: (rows,): how much each row counts. A weight of 2 is a row that comes
                twice, one of 0 a row that does not come.

        Returns:
            The estimator.
        """
        self._check_parameters()
        further = bool(self.warm_start) and hasattr(self, "network_")
        rows = self._read(X, y, sample_weight, reset=not further)
        if not further:
            self._begin(rows)
        self._learner.set(self.learning_rate, self.weight_decay)
        self._learn(rows)
        return self

    def _one_pass(self, X: Any, y: Any, sample_weight: Any) -> Self:
        self._check_parameters()
        first = not hasattr(self, "network_")
        rows = self._read(X, y, sample_weight, reset=first)
        if first:
            self._begin(rows)
        learner = self._learner
        learner.set(self.learning_rate, self.weight_decay)
        loader = learner.loader(rows, self.batch_size)
        learner.prepare(len(loader))
        self.loss_curve_.append(self._checked(learner.epoch(loader)))
        self.loss_, self.n_iter_ = self.loss_curve_[-1], learner.epochs
        return self

    def _begin(self, rows: Rows) -> None:
        """A new network and what belongs to it."""
        random = check_random_state(self.random_state)
        seed, order = (int(x) for x in random.randint(np.iinfo(np.int32).max, size=2))
        hidden = np.atleast_1d(self.hidden_layer_sizes).tolist()
        sizes = (rows.inputs.shape[1], *map(int, hidden), self._outputs())
        self._build(sizes, rows.inputs.dtype, seed, order)
        if self.standardize:
            self.network_.scale_by("input", *spread(rows.inputs, rows.weights))
            self._scale_targets(rows)
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None

    def _scale_targets(self, rows: Rows) -> None:
        """Let the network's outputs be in the units of the targets."""

    def _build(self, sizes: tuple[int, ...], dtype: Any, seed: int, order: int) -> None:
        generator = ad.random.Generator(seed)
        network = Perceptron(sizes, self.activation, self.dropout, dtype, generator)
        options = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}
        self._learner = Learner(network, self._loss, generator, order, options)
        self.network_ = network

    def _learn(self, rows: Rows) -> None:
        rows, held_out = self._divide(rows)
        learner = self._learner
        loader = learner.loader(rows, min(self.batch_size, len(rows)))
        learner.prepare(len(loader) * self.max_epochs)
        best = Best(self.network_, self.tol, self.n_iter_no_change)
        for k in range(self.max_epochs):
            loss = self._checked(learner.epoch(loader))
            self.loss_curve_.append(loss)
            text = f"epoch {k + 1}: loss {loss:.6f}"
            if held_out is None:
                stop = best.is_enough(-loss)
            else:
                score = self._merit(outputs(self.network_, held_out.inputs), held_out)
                self.validation_scores_ = [*(self.validation_scores_ or ()), score]
                stop = best.is_enough(score, keep=True)
                text += f", validation score {score:.4f}"
            if self.verbose:
                print(text)
            if stop:
                break
        best.restore()
        self.loss_, self.n_iter_ = self.loss_curve_[-1], learner.epochs

    def _checked(self, loss: float) -> float:
        if not np.isfinite(loss):
            raise ad.errors.ArgumentError(
                f"{type(self).__name__}.fit: the loss is {loss} after "
                f"{self._learner.steps} steps\n"
                f"  Try: learning_rate={self.learning_rate / 10:g}, or standardize=True."
            )
        return loss

    def _divide(self, rows: Rows) -> tuple[Rows, Rows | None]:
        """Rows to learn from and, for early stopping, rows to judge by."""
        if not self.early_stopping:
            return rows, None
        n = len(rows)
        held = min(n - 1, max(1, round(self.validation_fraction * n)))
        if held < 1:
            raise ad.errors.ArgumentError(
                f"{type(self).__name__}: early_stopping holds out rows to judge by, and there is "
                f"{n} row with a weight"
            )
        parts, seed = [n - held, held], self._learner.seed
        strata = self._strata(rows.targets)
        if strata is None:
            split = ad.data.random_split(range(n), parts, seed)
        else:
            split = ad.data.stratified_split(range(n), parts, strata, seed)
        learned, judged = (
            rows.take(np.array([part[k] for k in range(len(part))], np.intp)) for part in split
        )
        return learned, judged

    def _strata(self, targets: Array) -> Array | None:
        """Classes whose shares are kept when rows are held out."""
        del targets
        return None

    # -- reading -----------------------------------------------------------------------------------

    def _read(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> Rows:
        """Rows that have been checked, without those that do not count."""
        kinds = [np.float64, np.float32] if reset else self._learner.network.input_mean.dtype
        inputs: Any = validate_data(self, X, dtype=kinds, reset=reset)
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        targets = self._read_targets(y, reset)
        if len(targets) != len(inputs):
            raise ValueError(f"X has {len(inputs)} rows, y has {len(targets)}")
        weights = self._weigh(_weights(sample_weight, len(inputs)), targets)
        counts = weights > 0
        if not counts.all():
            inputs, targets, weights = inputs[counts], targets[counts], weights[counts]
        if not len(weights):
            raise ValueError("sample_weight: all weights are zero, so there is nothing to learn")
        if not np.issubdtype(targets.dtype, np.integer):
            targets = targets.astype(inputs.dtype)
        return Rows(inputs, targets, (weights / weights.mean()).astype(inputs.dtype))

    def _weigh(self, weights: Array, targets: Array) -> Array:
        """The weights of the rows, with those of their classes."""
        del targets
        return weights

    def _scores(self, X: Any) -> Array:
        """The network's outputs for rows that are given to predict."""
        check_is_fitted(self, "network_")
        dtype = self.network_.input_mean.dtype
        inputs: Any = validate_data(self, X, dtype=dtype, reset=False)
        return outputs(self.network_, inputs)

    def _check_parameters(self) -> None:
        """Refuse parameters that make no sense."""
        sizes = np.atleast_1d(self.hidden_layer_sizes)
        whole = sizes.ndim == 1 and (not sizes.size or np.issubdtype(sizes.dtype, np.integer))
        self._need(whole and bool((sizes > 0).all()), "hidden_layer_sizes", "positive integers")
        known = self.activation in ACTIVATIONS
        self._need(known, "activation", "one of " + ", ".join(ACTIVATIONS))
        self._need(0 <= self.dropout < 1, "dropout", "at least 0 and below 1")
        self._need(self.learning_rate > 0, "learning_rate", "above 0")
        self._need(self.weight_decay >= 0, "weight_decay", "at least 0")
        for name in ("batch_size", "max_epochs", "n_iter_no_change"):
            value = getattr(self, name)
            whole = isinstance(value, int | np.integer) and value > 0
            self._need(bool(whole), name, "a positive integer")
        self._need(0 < self.validation_fraction < 1, "validation_fraction", "between 0 and 1")

    def _need(self, holds: bool, name: str, what: str) -> None:
        if not holds:
            raise ad.errors.ArgumentError(
                f"{type(self).__name__}: {name} must be {what}, got {getattr(self, name)!r}"
            )

    # -- copies and files --------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """What a copy is made of: NumPy arrays and plain values, none of the library's objects."""
        inherited: Any = super().__getstate__()
        state: dict[str, Any] = dict(inherited)
        if "network_" in state:
            del state["network_"]
            state["_learner"] = self._learner.state()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        learned = state.pop("_learner", None)
        super().__setstate__(state)
        if learned is not None:
            self._build(tuple(learned["sizes"]), np.dtype(learned["dtype"]), 0, learned["seed"])
            self._learner.load_state(learned)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the estimator with all that it has learned to a safetensors file.

        Args:
            path: the file; an existing one is replaced.

        Raises:
            ArgumentError: if a parameter cannot be stored, such as a `random_state` that is a
                generator.
            SaveError: if the file cannot be written.
        """
        state = {key: plain(value) for key, value in self.__getstate__().items()}
        ad.save(path, {"estimator": type(self).__name__, "state": state})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """An estimator that `save` has written; nothing in the file is run.

        Args:
            path: the file.

        Raises:
            ArgumentError: if the file holds something else.
            FormatError: if it is no whole safetensors file.
        """
        tree = ad.load(path, numpy=True)
        found = tree.get("estimator") if isinstance(tree, dict) else None
        if found != cls.__name__:
            raise ad.errors.ArgumentError(
                f"{cls.__name__}.load: {path} holds {found or 'no estimator'}"
                + (f"\n  Try: adjoint.sklearn.{found}.load(...)" if found else "")
            )
        estimator = cls()
        estimator.__setstate__({key: restored(value) for key, value in tree["state"].items()})
        return estimator


def _weights(sample_weight: Any, rows: int) -> Array:
    """Weights of rows as float64; ones if there are none."""
    if sample_weight is None:
        return np.ones(rows)
    wide: Any = np.float64  # typed as a string where the library is untyped
    weights = check_array(sample_weight, ensure_2d=False, dtype=wide, input_name="sample_weight")
    if weights.shape != (rows,):
        raise ValueError(f"sample_weight has shape {weights.shape}, X has {rows} rows")
    if (weights < 0).any():
        raise ValueError(f"sample_weight: no weight may be negative, got {weights.min()}")
    return weights
