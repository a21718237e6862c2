"""docs/use/numpy.md lists what tensors do not answer, rightly; and `out=` works as it says."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.numpy_protocol import functions, ufuncs

PAGE = Path(__file__).resolve().parent.parent / "docs" / "use" / "numpy.md"


def asks(f: Any) -> bool:
    """Whether a function of NumPy asks its arguments before it computes."""
    return isinstance(f, np.ufunc) or hasattr(f, "_implementation")


def answered(f: Any) -> bool:
    if isinstance(f, np.ufunc):
        return f in ufuncs.table()
    return bool(functions._answers.get(f) or functions._same_name(f))


def functions_that_ask() -> dict[str, Any]:
    homes = {"": np, "linalg.": np.linalg, "fft.": np.fft}
    return {
        prefix + name: getattr(home, name)
        for prefix, home in homes.items()
        for name in dir(home)
        if not name.startswith("_") and asks(getattr(home, name))
    }


def listed() -> set[str]:
    section = PAGE.read_text(encoding="utf-8").split("## What is not")[1].split("##")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([\w.]+)`", row.split("|")[1])}


def test_the_page_lists_what_is_not_answered() -> None:
    known = functions_that_ask()
    assert len(known) > 300  # or the test has stopped finding them
    missing = {name for name, f in known.items() if not answered(f)}
    partly = {"histogram"}
    assert missing == (listed() & known.keys()) - partly


@pytest.mark.parametrize("name", ["nanmedian", "gcd", "poly"])
def test_what_is_not_answered_says_so(name: str) -> None:
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    args = (x, x) if name == "gcd" else (x,)
    with pytest.raises(TypeError, match=rf"np\.{name}: .*has no counterpart(?s:.)*test_numpy_page"):
        getattr(np, name)(*args)


OUTS: list[tuple[str, tuple[int, ...]]] = [
    ("np.sum(x, axis=0, out=out)", (3,)),
    ("np.sum(x, 0, None, out)", (3,)),
    ("np.ptp(x, 1, out)", (2,)),
    ("np.around(x, 1, out)", (2, 3)),
    ("np.cumsum(x, axis=1, out=out)", (2, 3)),
    ("np.clip(x, 0, 1, out=out)", (2, 3)),
    ("np.einsum('ij,ij->i', x, x, out=out)", (2,)),
    ("np.concatenate([x, x], out=out)", (4, 3)),
    ("np.std(x, axis=0, out=out)", (3,)),
    ("np.argmax(x, axis=0, out=out)", (3,)),
]


@pytest.mark.parametrize(("call", "shape"), OUTS)
def test_out_of_a_function_is_assigned_the_result(
    call: str, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    x = rng.normal(size=(2, 3))
    wanted = np.empty(shape, np.int64 if "argmax" in call else np.float64)
    eval(call, {"np": np, "x": x, "out": wanted})
    for target in (ad.zeros(shape, dtype=wanted.dtype), np.empty_like(wanted)):
        assert eval(call, {"np": np, "x": ad.tensor(x), "out": target}) is target
        np.testing.assert_allclose(np.asarray(target), wanted)


def test_out_keeps_the_record_and_an_array_cannot() -> None:
    x = ad.tensor([1.0, 4.0], requires_grad=True)
    out = ad.zeros(())
    np.prod(x, out=out)
    out.backward()
    assert x.grad.tolist() == [4.0, 1.0]
    with pytest.raises(TypeError, match="out= is a NumPy array"):
        np.prod(x, out=np.zeros(()))


def test_gradient_of_the_weights_of_a_count() -> None:
    w = ad.tensor([1.0, 2.0, 3.0], requires_grad=True)
    total = np.bincount([0, 1, 0], weights=w, minlength=3)
    assert total.tolist() == [4.0, 2.0, 0.0]
    (total * total).sum().backward()
    assert w.grad.tolist() == [8.0, 4.0, 8.0]
    with pytest.raises(TypeError, match="no gradient flows through its weights"):
        np.histogram([0.0, 1.0, 0.0], 3, weights=w)
