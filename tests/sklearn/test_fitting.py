"""What an estimator learns, from which kinds of targets, and when it stops."""

import re
import warnings
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.6")

from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification  # noqa: E402

import adjoint as ad  # noqa: E402
from adjoint.sklearn import Classifier, Regressor  # noqa: E402

X, Y = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def flowers() -> Classifier:
    return Classifier(16, max_epochs=60, learning_rate=0.01, random_state=0).fit(X, Y)


def test_it_learns_to_classify(flowers: Classifier) -> None:
    assert flowers.score(X, Y) > 0.95
    assert flowers.loss_curve_[-1] < 0.2 < flowers.loss_curve_[0]
    p = flowers.predict_proba(X)
    np.testing.assert_allclose(p.sum(1), 1.0)
    np.testing.assert_allclose(np.log(p), flowers.predict_log_proba(X), rtol=1e-9)
    np.testing.assert_array_equal(p.argmax(1), flowers.predict(X))


def test_it_learns_to_estimate() -> None:
    inputs, targets = load_diabetes(return_X_y=True)
    model = Regressor(16, max_epochs=40, learning_rate=0.01, random_state=0).fit(inputs, targets)
    assert model.score(inputs, targets) > 0.5
    assert model.predict(inputs).shape == targets.shape


def test_several_outputs() -> None:
    x = np.linspace(-1, 1, 64)[:, None]
    y = np.hstack([x, 100 - 50 * x])
    model = Regressor(16, max_epochs=200, learning_rate=0.05, random_state=0).fit(x, y)
    assert model.predict(x).shape == (64, 2)
    assert model.score(x, y) > 0.99


def test_several_labels() -> None:
    x, y = make_multilabel_classification(100, n_classes=3, random_state=0)
    model = Classifier(16, max_epochs=60, learning_rate=0.02, random_state=0).fit(x, y)
    assert model.predict(x).shape == y.shape == model.predict_proba(x).shape
    assert model.score(x, y) > 0.9
    assert ((model.predict_proba(x) > 0.5) == model.predict(x)).all()
    np.testing.assert_allclose(
        np.log(model.predict_proba(x)), model.predict_log_proba(x), rtol=1e-9, atol=1e-15
    )


@pytest.mark.parametrize("kind", [object, str])
def test_words_for_classes(kind: Any, flowers: Classifier) -> None:
    words = np.array(["setosa", "versicolor", "virginica"], kind)
    model = Classifier(16, max_epochs=60, learning_rate=0.01, random_state=0).fit(X, words[Y])
    assert model.classes_.dtype == words.dtype
    np.testing.assert_array_equal(model.predict(X), words[flowers.predict(X)])


def test_the_same_seed_gives_the_same_bits() -> None:
    options: dict[str, Any] = {"max_epochs": 5, "dropout": 0.3, "random_state": 3}
    first, second = (Classifier(8, **options).fit(X, Y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_dtype_follows_the_rows() -> None:
    for dtype in (np.float32, np.float64):
        model = Classifier(8, max_epochs=2).fit(X.astype(dtype), Y)
        assert model.predict_proba(X).dtype == dtype
        assert {p.dtype for p in model.network_.parameters()} == {np.dtype(dtype)}


def test_partial_fit() -> None:
    model = Classifier(16, learning_rate=0.03, random_state=0)
    with pytest.raises(ValueError, match="first call needs classes"):
        model.partial_fit(X[:50], Y[:50])
    rng = np.random.default_rng(0)
    for _ in range(40):
        rows = rng.permutation(150)[:40]
        model.partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
    assert model.n_iter_ == 40
    assert model.score(X, Y) > 0.9
    with pytest.raises(ValueError, match="not those of the first call"):
        model.partial_fit(X, Y, classes=[0, 1])


def test_warm_start_goes_on() -> None:
    whole = Regressor(8, max_epochs=8, random_state=0, tol=-np.inf).fit(X, Y)
    parts = Regressor(8, max_epochs=4, random_state=0, tol=-np.inf, warm_start=True)
    parts.fit(X, Y).fit(X, Y)
    np.testing.assert_allclose(parts.predict(X), whole.predict(X), rtol=1e-12)
    assert parts.n_iter_ == 8
    assert len(parts.loss_curve_) == 8


def test_early_stopping_keeps_the_best() -> None:
    model = Classifier(
        16, max_epochs=100, learning_rate=0.05, early_stopping=True, n_iter_no_change=5,
        validation_fraction=0.3, random_state=0,
    ).fit(X, Y)  # fmt: skip
    assert model.n_iter_ == len(model.validation_scores_) < 100
    assert model.score(X, Y) > 0.9
    with pytest.raises(ValueError, match="holds out rows"):
        Classifier(early_stopping=True).fit(X[:1], Y[:1])


def test_weights_count() -> None:
    often, rarely = (
        Classifier(8, max_epochs=30, class_weight={1: w}, random_state=0)
        .fit(X[:, :1], Y)
        .predict(X[:, :1])
        for w in (10.0, 0.1)
    )
    assert (often == 1).mean() > 0.6
    assert (rarely == 1).mean() < 0.1


def test_balanced_is_what_its_weights_are() -> None:
    rows = np.r_[0:50, 50:60, 100:130]
    counts = np.bincount(Y[rows])
    by_class = dict(enumerate(90 / (3 * counts)))
    options: dict[str, Any] = {"max_epochs": 5, "random_state": 0}
    first, second = (
        Classifier(8, class_weight=w, **options).fit(X[rows], Y[rows]).predict_proba(X)
        for w in ("balanced", by_class)
    )
    np.testing.assert_allclose(first, second, rtol=1e-10)


def test_verbose_says_how_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    Classifier(4, max_epochs=2, verbose=True, early_stopping=True, random_state=0).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"epoch 1: loss \d\.\d{6}, validation score \d\.\d{4}", lines[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_layer_sizes": (10, 0)}, {"hidden_layer_sizes": 2.5}, {"activation": "step"},
        {"dropout": 1.0}, {"learning_rate": 0}, {"weight_decay": -1}, {"batch_size": 0},
        {"max_epochs": 1.5}, {"validation_fraction": 1}, {"n_iter_no_change": -1},
    ],
)  # fmt: skip
def test_parameters_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ad.errors.ArgumentError, match=next(iter(wrong))):
        Regressor(**wrong).fit(X, Y)


def test_a_loss_that_runs_away() -> None:
    model = Regressor(8, learning_rate=1e200, max_epochs=20, random_state=0)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ad.errors.NonFiniteWarning)  # it names the first of them
        with pytest.raises(ValueError, match="Try: learning_rate="):
            model.fit(X, Y)


def test_class_weight_needs_classes() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        Classifier(4, class_weight="balanced").fit(X, np.eye(3, dtype=int)[Y] | [1, 0, 0])
    with pytest.raises(ValueError, match="class_weight must be"):
        Classifier(4, class_weight="fair").fit(X, Y)
