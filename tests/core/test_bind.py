"""Binding: what applying an operation does follows from its operands."""

import threading
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.bind import lift, make, reads_of, setting, staged_leaf, state
from adjoint.core.errors import DTypeError, ShapeError, TracerLeak
from adjoint.core.graph import leaf
from adjoint.core.types import Type
from adjoint.ops.arithmetic import ADD, DIVIDE, MULTIPLY, NEGATIVE
from adjoint.ops.shape import Sum


def test_arrays_are_computed_and_nothing_else() -> None:
    out = ADD(np.ones(2), np.ones(2))
    assert type(out) is np.ndarray


def test_tensors_are_recorded_if_a_gradient_may_flow() -> None:
    x = ad.tensor([1.0], requires_grad=True)
    assert (x * 2.0).node.inputs == (x.node, 2.0)
    assert (ad.tensor([1.0]) * 2.0).node.inputs == ()


def test_types_are_staged() -> None:
    x = staged_leaf(Type((2, 3), np.dtype("f4")))
    y = Sum((0,))(x * 2.0)
    assert not y.known
    assert str(y.value) == "f32[3]"
    assert y.node.inputs[0].op == MULTIPLY
    assert not y.requires_grad


def test_staging_can_be_asked_for_on_known_values() -> None:
    x = ad.tensor([1.0, 2.0])
    with setting(staging=True):
        y = x + x
    assert not y.known
    assert y.node.inputs == (x.node, x.node)


def test_the_number_of_a_staged_tensor_is_not_known() -> None:
    x = staged_leaf(Type((), np.dtype("f4")))
    for ask in (x.item, x.numpy, x.tolist):
        with pytest.raises(TracerLeak, match="is not known while the function is staged"):
            ask()


@pytest.mark.parametrize(
    ("x", "y", "dtype"),
    [
        (np.float32([1]), 2.0, "float32"),
        (np.float32([1]), 2, "float32"),
        (np.float32([1]), np.float64([1]), "float64"),
        (np.float32([1]), np.int64([1]), "float32"),
        (np.int64([1]), 2.0, "float32"),
        (np.int8([1]), 2, "int8"),
        (np.bool_([True]), np.int16([1]), "int16"),
        (np.complex64([1]), np.float64([1]), "complex128"),
        (np.float16([1]), 2.0, "float16"),
        (2.0, np.float16([1]), "float16"),
        (2.0, 3, "float32"),
    ],
)
def test_operands_are_brought_to_a_common_dtype(x: Any, y: Any, dtype: str) -> None:
    x, y = (lift(v) if isinstance(v, np.ndarray) else v for v in (x, y))
    if isinstance(x, float) and isinstance(y, int):
        x = lift(x)
    assert ADD(x, y).dtype == dtype
    if hasattr(x, "node") and hasattr(y, "node"):
        assert ADD(y, x).dtype == dtype


def test_bfloat16_keeps_scalars_weak() -> None:
    x = ad.tensor([1.0, 2.0], dtype="bfloat16")
    assert (x * 2.0).dtype.name == "bfloat16"
    assert (2.0 * x + 1).dtype.name == "bfloat16"


def test_integers_are_divided_as_floats() -> None:
    assert DIVIDE(ad.tensor([1, 2]), 2).dtype == np.float32


def test_a_python_scalar_is_no_node() -> None:
    x = ad.tensor([1.0], requires_grad=True)
    y = 2.0 * x
    assert y.node.inputs == (2.0, x.node)


def test_a_zero_dimensional_result_is_an_array() -> None:
    x = ad.tensor(2.0) * ad.tensor(3.0)
    assert type(x.value) is np.ndarray
    assert x.shape == ()


def test_integer_results_are_not_tracked() -> None:
    x = ad.tensor([1.0], requires_grad=True)
    assert not x.detach().requires_grad
    y = ad.tensor([1, 2])
    with pytest.raises(DTypeError, match="has no gradient"):
        y.requires_grad = True


# -- what is saved ---------------------------------------------------------------------------------


def kept(x: Any) -> list[Any]:
    """The arrays among what a node saved of (out, *inputs)."""
    return [v if isinstance(v, np.ndarray) else None for v in x.node.saved]


def test_an_operation_saves_what_its_rule_reads() -> None:
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    y = ad.tensor([3.0, 4.0], requires_grad=True)
    c = ad.tensor([5.0, 6.0])
    assert kept(x + y) == [None, None, None]
    assert kept(-x) == [None, None]
    out, kept_x, kept_y = kept(x * y)
    assert out is None
    assert (kept_x is x.value, kept_y is y.value) == (True, True)
    out, kept_x, kept_c = kept(x * c)  # only x is differentiated, so only c is read
    assert out is None
    assert kept_x is None
    assert kept_c is c.value
    quotient = x / y
    out, kept_x, kept_y = kept(quotient)
    assert out is quotient.value
    assert kept_x is None
    assert kept_y is y.value


def test_reads_are_found_by_staging_the_rule() -> None:
    x, y = np.ones(2), np.ones(2)
    assert reads_of(ADD, 3, x, (x, y)) == (False, False, False)
    assert reads_of(MULTIPLY, 1, x, (x, y)) == (False, False, True)
    assert reads_of(DIVIDE, 2, x, (x, y)) == (True, False, True)
    assert reads_of(NEGATIVE, 1, x, (x,)) == (False, False)


# -- state -----------------------------------------------------------------------------------------


def test_settings_are_restored_also_after_an_error() -> None:
    with pytest.raises(KeyError), setting(recording=False, staging=True):
        raise KeyError
    assert state.recording
    assert not state.staging


def test_settings_nest() -> None:
    with setting(recording=False):
        with setting(recording=True):
            assert state.recording
        assert not state.recording
    assert state.recording


def test_without_recording_nothing_is_tracked() -> None:
    x = ad.tensor(1.0, requires_grad=True)
    with setting(recording=False):
        y = x * x
    assert not y.requires_grad
    assert y.node.inputs == ()


def test_state_belongs_to_the_thread() -> None:
    seen: list[Any] = []
    x = ad.tensor(2.0, requires_grad=True)

    def work() -> None:
        seen.append(state.recording)
        seen.append((x * x).requires_grad)

    with setting(recording=False):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not (x * x).requires_grad
    assert seen == [True, True]


def test_threads_do_not_disturb_each_other() -> None:
    x = ad.tensor(2.0, requires_grad=True)
    wrong: list[str] = []
    start = threading.Barrier(4)

    def work(recording: bool) -> None:
        start.wait()
        for _ in range(300):
            with setting(recording=recording):
                if (x * x).requires_grad is not recording:
                    wrong.append(f"recording={recording}")

    threads = [threading.Thread(target=work, args=(i % 2 == 0,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert (x * x).requires_grad


# -- failures --------------------------------------------------------------------------------------


def test_a_failure_of_numpy_is_said_in_the_words_of_the_card() -> None:
    with pytest.raises(ShapeError, match=r"add: shapes \(2,\) and \(3,\) do not broadcast"):
        ADD(ad.tensor([1.0, 2.0]), ad.tensor([1.0, 2.0, 3.0]))


def test_the_same_failure_when_staged() -> None:
    x, y = (staged_leaf(Type((n,), np.dtype("f4"))) for n in (2, 3))
    with pytest.raises(ShapeError, match=r"add: shapes \(2,\) and \(3,\) do not broadcast"):
        ADD(x, y)


def test_an_error_hides_the_frames_of_the_library_as_its_cause() -> None:
    with pytest.raises(ShapeError) as caught:
        ADD(ad.tensor([1.0, 2.0]), ad.tensor([1.0, 2.0, 3.0]))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_floating_point_fault_is_no_warning() -> None:
    x = ad.tensor([1.0, 0.0, -1.0]) / ad.tensor([0.0, 0.0, 0.0])
    np.testing.assert_array_equal(x.value, np.float32([np.inf, np.nan, -np.inf]))


def test_the_error_state_of_numpy_is_left_as_it_was() -> None:
    with np.errstate(all="raise"):
        before = np.geterr()
        ad.tensor([1.0]) / ad.tensor([0.0])
        assert np.geterr() == before
        with pytest.raises(FloatingPointError):
            np.divide(np.ones(1), np.zeros(1))


def test_handles_are_lifted_as_they_are() -> None:
    x = ad.tensor([1.0])
    assert lift(x) is x
    y = make(x.value, leaf(x.value))
    assert type(y) is ad.Tensor
