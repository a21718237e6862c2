"""The generic tests find what is wrong with a card: each fault by the test meant for it."""

from collections.abc import Iterator
from typing import Any, final

import numpy as np
import pytest

from adjoint.core.primitive import Primitive
from adjoint.core.types import Type
from adjoint.ops.families import AbstractGeneral, AbstractLinear, AbstractMap
from adjoint.ops.shape import Sum
from adjoint.testing import GradientMismatch
from tests import test_primitives as generic
from tests.cards import Case


class AbstractDouble(AbstractMap):
    """Twice the value: right in every way, until a fault is added."""

    def value(self, x: Any) -> Any:
        return x * 2

    def partial(self, i: int, out: Any, x: Any) -> Any:
        return 2.0


def case_of(card: type[Primitive], x: Any = None, op: Any = None) -> Case:
    return Case(card, 0, op or card(), [np.array([1.0, 2.0, 4.0]) if x is None else x])


def define(name: str, base: type = AbstractDouble, **members: Any) -> Any:
    return final(type(f"{name}ForTest", (base,), {"__doc__": "Wrong in one way.", **members}))


def test_a_right_card_passes() -> None:
    case = case_of(define("Right"))
    generic.test_derivatives(case, 2)
    generic.test_vmap_equals_a_stack_of_calls(case)
    generic.test_value_has_the_inferred_type(case)
    generic.test_cost_is_a_count(case)
    generic.test_lower_precision(case, "float32")
    generic.test_odd_points_do_not_warn_or_fail(case)


def test_a_wrong_first_derivative() -> None:
    card = define("WrongSlope", partial=lambda self, i, out, x: 2.001)
    with pytest.raises(GradientMismatch, match="order: 1"):
        generic.test_derivatives(case_of(card), 1)


def test_a_wrong_second_derivative() -> None:
    def partial(self: Any, i: int, out: Any, x: Any) -> Any:
        held = x.detach() if hasattr(x, "detach") else x
        return held * held * 3.0  # the number is right, but it is a constant

    card = define("WrongBend", value=lambda self, x: x * x * x, partial=partial)
    generic.test_derivatives(case_of(card), 1)
    with pytest.raises(GradientMismatch, match="order: 2"):
        generic.test_derivatives(case_of(card), 2)


def test_a_rule_that_differs_on_tensors() -> None:
    card = define("Split", partial=lambda self, i, out, x: 2.0 if hasattr(x, "node") else 3.0)
    with pytest.raises(AssertionError):
        generic.test_rule_on_arrays_equals_rule_on_tensors(case_of(card))


def test_a_wrong_type() -> None:
    card = define("WrongType", out_type=lambda self, x: Type(x.shape, np.dtype(np.float32)))
    with pytest.raises(AssertionError):
        generic.test_value_has_the_inferred_type(case_of(card))


def test_a_value_that_widens_float32() -> None:
    card = define("Widens", value=lambda self, x: x * np.float64(2.0))
    generic.test_value_has_the_inferred_type(case_of(card))
    with pytest.raises(AssertionError):
        generic.test_lower_precision(case_of(card), "float32")


def test_a_wrong_batching_rule() -> None:
    @final
    class WrongBatchForTest(AbstractLinear):
        """Sum over all axes, also the batch."""

        kind = "reduce"

        def value(self, x: Any) -> Any:
            return np.asarray(np.sum(x))

        def out_type(self, x: Any) -> Type:
            return Type((), x.dtype)

        def transpose(self, i: int, ct: Any, x: Any) -> Any:
            return ct * np.ones(x.shape)

        def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
            return Sum((0, 1))(x) * np.ones(size)

        @classmethod
        def samples(cls, rng: Any) -> Iterator[Any]:
            yield cls(), [rng.normal(size=3)]

    case = case_of(WrongBatchForTest)
    generic.test_derivatives(case, 1)
    with pytest.raises(AssertionError):
        generic.test_vmap_equals_a_stack_of_calls(case)


def test_a_cost_that_is_no_count() -> None:
    card = define("WrongCost", cost=lambda self, *types: -1)
    with pytest.raises(AssertionError):
        generic.test_cost_is_a_count(case_of(card))


def test_a_zero_cotangent_that_becomes_nan() -> None:
    @final
    class LeakyForTest(AbstractGeneral):
        """Reciprocal whose rule multiplies without strong zeros."""

        kind = "map"

        def value(self, x: Any) -> Any:
            return 1 / x

        def out_type(self, x: Any) -> Type:
            return x

        def vjp(self, ct: Any, out: Any, x: Any) -> Any:
            return (-ct * out * out,)

        def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
            return self(x)

        def cost(self, *types: Any) -> int:
            return 0

        @classmethod
        def samples(cls, rng: Any) -> Iterator[Any]:
            yield cls(), [rng.normal(size=3)]

    case = case_of(LeakyForTest)
    generic.test_derivatives(case, 2)
    with pytest.raises(AssertionError, match="zero cotangent"):
        generic.test_odd_points_do_not_warn_or_fail(case)


def test_saved_values_that_depend_on_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    @final
    class PowerForTest(AbstractMap):
        """The value to a power: the rule of the first power reads nothing."""

        power: int = 1

        def value(self, x: Any) -> Any:
            return x**self.power

        def partial(self, i: int, out: Any, x: Any) -> Any:
            return 1 if self.power == 1 else 2 * x

    cases = [case_of(PowerForTest, op=PowerForTest(n)) for n in (1, 2)]
    monkeypatch.setattr(generic, "CASES", cases)
    with pytest.raises(AssertionError, match="differs from"):
        generic.test_saved_values_are_those_that_the_rule_reads(cases[0])


def test_an_operand_whose_gradient_was_forgotten() -> None:
    card = define("Forgotten")
    case = case_of(card)
    case._diff = ()
    with pytest.raises(AssertionError):
        generic.test_operands_without_gradient_do_not_move_the_value(case)


def test_a_card_that_is_not_final_or_has_no_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    card = type("OpenForTest", (AbstractDouble,), {"__doc__": "Not final."})
    with pytest.raises(AssertionError, match="gives no samples"):
        generic.test_card_is_complete(card)
    monkeypatch.setattr(generic, "CASES", [case_of(card)])
    with pytest.raises(AssertionError, match="not marked @final"):
        generic.test_card_is_complete(card)
