"""Estimators among scikit-learn's tools: pipelines, searches, frames, copies, files."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

import adjoint as ad  # noqa: E402
from adjoint.sklearn import Classifier, Regressor  # noqa: E402

X, Y = load_iris(return_X_y=True)
QUICK: dict[str, Any] = {
    "hidden_layer_sizes": 8, "max_epochs": 20, "learning_rate": 0.03, "random_state": 0,
}  # fmt: skip


def test_pipeline_and_cross_validation() -> None:
    model = make_pipeline(StandardScaler(), Classifier(**QUICK, batch_size=16, standardize=False))
    assert cross_val_score(model, X, Y, cv=3).mean() > 0.9


@pytest.mark.parametrize("jobs", [None, 2])  # by themselves, or in two other processes
def test_grid_search(jobs: int | None) -> None:
    grid = {"hidden_layer_sizes": [4, (8, 8)]}
    search = GridSearchCV(Classifier(**QUICK), grid, cv=2, n_jobs=jobs).fit(X, Y)
    assert search.best_score_ > 0.8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library: str) -> None:
    frames = pytest.importorskip(library)
    names = ["sepal length", "sepal width", "petal length", "petal width"]
    frame = frames.DataFrame(dict(zip(names, X.T, strict=True)))
    target = frames.Series(Y.tolist())
    model = Classifier(**QUICK).fit(frame, target)
    assert model.feature_names_in_.tolist() == names
    np.testing.assert_array_equal(model.predict(frame), Classifier(**QUICK).fit(X, Y).predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[names[::-1]])


def test_clone_has_learned_nothing() -> None:
    model = Regressor(**QUICK).fit(X, Y)
    other = clone(model)
    assert other.get_params() == model.get_params()
    assert not hasattr(other, "network_")


def copies(model: Any, path: Path) -> dict[str, Any]:
    model.save(path)
    return {
        "copy": copy.deepcopy(model),
        "bytes": pickle.loads(pickle.dumps(model)),
        "file": type(model).load(path),
    }


@pytest.mark.parametrize("way", ["copy", "bytes", "file"])
def test_a_copy_predicts_and_goes_on_alike(way: str, tmp_path: Path) -> None:
    names = np.array(["a", "b", "c"])[Y]
    model = Classifier(**QUICK, dropout=0.2).fit(X, names)
    other = copies(model, tmp_path / "flowers.safetensors")[way]
    assert other.get_params() == model.get_params()
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(other.classes_, model.classes_)
    assert other.loss_curve_ == model.loss_curve_
    before = model.predict_proba(X)
    other.partial_fit(X, names)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    model.partial_fit(X, names)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_what_was_not_fitted_is_saved_too(tmp_path: Path) -> None:
    model = Regressor((3, 4), tol=0.5)
    for other in copies(model, tmp_path / "new.safetensors").values():
        assert other.get_params() == model.get_params()
        assert not hasattr(other, "network_")


def test_names_of_objects_and_features_in_a_file(tmp_path: Path) -> None:
    frames = pytest.importorskip("pandas")
    words = np.array(["a", "b", "c"], object)[Y]
    model = Classifier(**QUICK, class_weight={"a": 2.0}).fit(
        frames.DataFrame(X).add_prefix("x"), words
    )
    model.save(tmp_path / "m.safetensors")
    other = Classifier.load(tmp_path / "m.safetensors")
    assert other.classes_.dtype == object
    assert other.feature_names_in_.tolist() == ["x0", "x1", "x2", "x3"]
    assert other.class_weight == {"a": 2.0}


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    Regressor().save(path)
    with pytest.raises(ad.errors.ArgumentError, match=r"Try: adjoint.sklearn.Regressor.load"):
        Classifier.load(path)
    ad.save(path, {"weight": ad.ones(2)})
    with pytest.raises(ad.errors.ArgumentError, match="holds no estimator"):
        Classifier.load(path)
    with pytest.raises(ad.errors.ArgumentError, match="random_state"):
        Regressor(random_state=np.random.RandomState(0)).save(path)


def test_the_network_takes_rows_as_they_are() -> None:
    model = Regressor(**QUICK).fit(X, Y)
    with ad.no_grad():
        out = model.network_(ad.asarray(X)).numpy()
    np.testing.assert_array_equal(out[:, 0], model.predict(X))
