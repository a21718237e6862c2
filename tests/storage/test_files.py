"""Saving and loading: trees come back as they were, whatever they hold."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save_file

import adjoint as ad
from adjoint.storage import read_metadata

DTYPES = ["bool", "int8", "int64", "uint16", "uint64", "float16", "float32", "float64"]
arrays = st.sampled_from([*DTYPES, "complex64", "complex128"]).flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    )
)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | text
leaves = scalars | arrays | arrays.map(ad.asarray)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(text | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(x: Any, y: Any) -> bool:
    """Whether two trees are equal: structure, classes, dtypes, shapes and bits."""
    if type(x) is not type(y):
        return isinstance(x, np.generic) and same(np.asarray(x), y)
    if isinstance(x, ad.Tensor):
        return same(x.detach().numpy(), y.numpy())
    if isinstance(x, np.ndarray):
        bits = np.ascontiguousarray(x).tobytes() == np.ascontiguousarray(y).tobytes()
        return x.dtype == y.dtype and x.shape == y.shape and bits
    if isinstance(x, dict):
        return list(x) == list(y) and all(same(x[k], y[k]) for k in x)
    if isinstance(x, list | tuple):
        return len(x) == len(y) and all(map(same, x, y))
    if isinstance(x, float):
        return math.copysign(1, x) == math.copysign(1, y) and (x == y or (x != x and y != y))
    if isinstance(x, complex):
        return same([x.real, x.imag], [y.real, y.imag]) or x == y
    return bool(x == y)


@given(trees, st.booleans())
def test_a_tree_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, tree: Any, mmap: bool
) -> None:
    path = tmp_path_factory.mktemp("tree") / "x.safetensors"
    ad.save(path, tree)
    assert same(_without_nan_sign(tree), _without_nan_sign(ad.load(path, mmap=mmap)))


def _without_nan_sign(x: Any) -> Any:
    """The sign of a scalar NaN means nothing, and is not kept."""
    if isinstance(x, dict):
        return {k: _without_nan_sign(v) for k, v in x.items()}
    if type(x) in (list, tuple):
        return type(x)(map(_without_nan_sign, x))
    if type(x) is complex:
        return [_without_nan_sign(x.real), _without_nan_sign(x.imag)]
    return math.nan if type(x) is float and x != x else x


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(10)[::-2],
        np.arange(3, dtype=">f4"),
        np.array([1 + 2j], ">c8"),
        np.float32(2.5),
        np.asfortranarray(np.ones((2, 3)) * 1j),
    ],
)
def test_any_memory_layout_is_stored(tmp_path: Path, array: Any) -> None:
    ad.save(tmp_path / "x", array)
    np.testing.assert_array_equal(ad.load(tmp_path / "x"), array, strict=False)


@pytest.mark.parametrize("mmap", [False, True])
def test_bfloat16(tmp_path: Path, mmap: bool) -> None:
    x = ad.tensor([[1.0, -0.0, 3.140625]], dtype="bfloat16")
    ad.save(tmp_path / "x", {"x": x, "flag": ad.tensor(True)})
    back = ad.load(tmp_path / "x", mmap=mmap)
    assert back["x"].dtype == ad.bfloat16
    assert back["x"].tolist() == x.tolist()
    assert back["flag"].dtype == ad.bool


def test_names_are_paths_and_clashes_are_told_apart(tmp_path: Path) -> None:
    tree = {"a.b": np.ones(1), "a": {"b": np.zeros(2)}, "__metadata__": np.ones(3)}
    ad.save(tmp_path / "x", tree)
    assert set(load_file(tmp_path / "x")) == {"a.b", "a.b#2", "__metadata__#2"}
    assert same(ad.load(tmp_path / "x"), tree)


class Modulelike:
    """What `save` knows of a module: it has a `state_dict`."""

    def state_dict(self) -> dict[str, Any]:
        return {"layers.0.weight": ad.ones((2, 3), dtype="float32"), "layers.0.bias": ad.zeros(2)}


def test_a_module_is_stored_under_its_flat_names(tmp_path: Path) -> None:
    ad.save(tmp_path / "x", Modulelike())
    assert {k: v.shape for k, v in load_file(tmp_path / "x").items()} == {
        "layers.0.weight": (2, 3),
        "layers.0.bias": (2,),
    }
    assert same(ad.load(tmp_path / "x"), Modulelike().state_dict())
    ad.save(tmp_path / "y", {"model": Modulelike(), "step": 3})
    assert same(ad.load(tmp_path / "y"), {"model": Modulelike().state_dict(), "step": 3})


def test_a_file_from_elsewhere_is_a_flat_dict(tmp_path: Path) -> None:
    save_file({"b": np.ones((2, 2)), "a": np.arange(3)}, tmp_path / "x", metadata={"by": "hand"})
    found = ad.load(tmp_path / "x")
    assert {k: type(v) for k, v in found.items()} == {"a": ad.Tensor, "b": ad.Tensor}
    assert found["a"].tolist() == [0, 1, 2]
    assert read_metadata(tmp_path / "x") == {"by": "hand"}


def test_metadata_keep_their_types(tmp_path: Path) -> None:
    about = {"epoch": 3, "note": "3", "classes": ["a", "ü"], "nested": {"x": [1.5, None, True]}}
    ad.save(tmp_path / "x", {}, metadata=about)
    assert read_metadata(tmp_path / "x") == about
    ad.save(tmp_path / "x", {}, metadata={"format": "mine"})
    assert read_metadata(tmp_path / "x") == {"format": "mine"}


def test_mapped_and_numpy_results_cannot_be_written_to(tmp_path: Path) -> None:
    ad.save(tmp_path / "x", {"x": ad.ones(3)})
    for mmap in (False, True):
        x = ad.load(tmp_path / "x", mmap=mmap, numpy=True)["x"]
        assert isinstance(x, np.ndarray)
        with pytest.raises(ValueError, match="read-only"):
            x[0] = 2


def test_a_mapped_file_can_be_replaced_while_it_is_used(tmp_path: Path) -> None:
    ad.save(tmp_path / "x", ad.ones(1000))
    before = ad.load(tmp_path / "x", mmap=True)
    ad.save(tmp_path / "x", ad.zeros(1000))
    assert float(before.sum()) == 1000
    assert float(ad.load(tmp_path / "x").sum()) == 0


def test_a_recorded_tensor_is_stored_without_its_history(tmp_path: Path) -> None:
    w = ad.tensor([1.0], requires_grad=True)
    ad.save(tmp_path / "x", {"w": w, "y": w * 2})
    assert not ad.load(tmp_path / "x")["w"].requires_grad


class Pair(tuple[int, int]):
    """A tuple that is more than a tuple."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("tree", "fact"),
    [
        ({"a": {"b": object()}}, "save: a.b is an object"),
        ([1, {2, 3}], "save: 1 is a set"),
        ({(1, 2): 3}, r"save: the tree has the key \(1, 2\)"),
        ({"x": np.array(["a"])}, "save: x is an array of <U1"),
        ({"x": np.array([None])}, "save: x is an array of object"),
        ({"x": Pair((1, 2))}, "save: x is a Pair"),
        ({"x": np.longdouble(1)}, "differs from machine to machine"),
        (b"bytes", "save: the tree is a bytes"),
    ],
)
def test_what_cannot_be_stored_is_named(tmp_path: Path, tree: Any, fact: str) -> None:
    with pytest.raises(ad.errors.ArgumentError, match=fact):
        ad.save(tmp_path / "x", tree)
    assert not list(tmp_path.iterdir())


def test_path_and_tree_in_the_wrong_order(tmp_path: Path) -> None:
    with pytest.raises(ad.errors.ArgumentError, match="the path comes first"):
        ad.save({"x": ad.ones(1)}, str(tmp_path / "x"))  # type: ignore[arg-type]


def test_a_tree_that_contains_itself(tmp_path: Path) -> None:
    tree: list[Any] = []
    tree.append(tree)
    with pytest.raises(ad.errors.ArgumentError, match="contain itself"):
        ad.save(tmp_path / "x", tree)


@pytest.mark.parametrize("key", ["adjoint", 3])
def test_metadata_that_cannot_be(tmp_path: Path, key: Any) -> None:
    with pytest.raises(ad.errors.ArgumentError, match="cannot have the key"):
        ad.save(tmp_path / "x", {}, metadata={key: 1})
    with pytest.raises(ad.errors.ArgumentError, match="no JSON"):
        ad.save(tmp_path / "x", {}, metadata={"x": object()})


def test_the_package_loads_none_of_it_before_it_is_used() -> None:
    code = (
        "import sys, adjoint; late = ['safetensors', 'adjoint.storage', 'adjoint.data', 'PIL', "
        "'polars', 'pyarrow', 'tokenizers', 'sklearn']; adjoint.data; "
        "print([m for m in late if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['adjoint.data']"
