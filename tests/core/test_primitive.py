"""Cards: fields, equality, printing, and what is refused when a card is defined."""

from typing import Any, ClassVar, final

import numpy as np
import pytest

from adjoint.core.primitive import Primitive, registry, snake
from adjoint.core.types import Type
from adjoint.ops.families import AbstractLinear, AbstractMap


@final
class FieldsForTest(AbstractLinear):
    """A card with fields. It does nothing."""

    axes: tuple[int, ...]
    scale: float = 1.0
    note: ClassVar[str] = "not a field"
    kind = "view"

    def value(self, x: Any) -> Any:
        return x

    def out_type(self, x: Any) -> Type:
        return x

    def transpose(self, i: int, ct: Any, x: Any) -> Any:
        return ct

    def batch(self, size: int, batched: tuple[bool, ...], x: Any) -> Any:
        return self(x)

    @classmethod
    def samples(cls, rng: Any) -> Any:
        yield cls((0,)), [rng.normal(size=2)]


def test_annotations_are_the_fields() -> None:
    assert FieldsForTest.fields == ("axes", "scale")
    op = FieldsForTest((1, 2))
    assert (op.axes, op.scale) == ((1, 2), 1.0)
    assert FieldsForTest(axes=(1,), scale=2.0).scale == 2.0


def test_fields_are_printed() -> None:
    assert repr(FieldsForTest((1, 2))) == "FieldsForTest(axes=(1, 2), scale=1.0)"


def test_equality_and_hash_follow_from_the_fields() -> None:
    a, b, c = FieldsForTest((1,)), FieldsForTest(axes=(1,)), FieldsForTest((2,))
    assert a == b
    assert hash(a) == hash(b)
    assert a != c
    assert a != (1,)
    assert len({a, b, c}) == 2


def test_a_card_is_immutable() -> None:
    with pytest.raises(AttributeError, match="FieldsForTest is immutable"):
        FieldsForTest((1,)).axes = (2,)  # type: ignore[misc]


def test_wrong_fields_are_refused() -> None:
    with pytest.raises(TypeError, match="needs its field 'axes'"):
        FieldsForTest()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="has the fields"):
        FieldsForTest((1,), 2.0, 3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="has the fields"):
        FieldsForTest((1,), size=3)  # type: ignore[call-arg]


def test_defining_a_card_registers_it() -> None:
    assert registry["FieldsForTest"] is FieldsForTest
    assert "AbstractMap" not in registry


@pytest.mark.parametrize(
    ("name", "spelled"), [("Sin", "sin"), ("LogAddExp", "log_add_exp"), ("Expm1", "expm1")]
)
def test_the_name_follows_from_the_class(name: str, spelled: str) -> None:
    assert snake(name) == spelled


def test_a_card_may_have_its_own_name() -> None:
    card = _define(AbstractMap, name="other", value=_value, partial=_partial, __doc__="A card.")
    assert card.name == "other"


# -- what is refused when a card is defined --------------------------------------------------------


def _define(base: type, **members: Any) -> Any:
    try:
        return type("DefinedForTest", (base,), members)
    finally:
        registry.pop("DefinedForTest", None)


def _value(self: Any, x: Any) -> Any:
    return x


def _partial(self: Any, i: int, out: Any, x: Any) -> Any:
    return 1


def test_a_card_without_rules_names_them() -> None:
    with pytest.raises(
        TypeError,
        match="card DefinedForTest lacks value, out_type, batch, cost, samples",
    ):
        _define(Primitive, __doc__="A card.", no_derivative="there is none")


@pytest.mark.parametrize("rule", ["value", "out_type", "batch", "cost", "samples"])
def test_a_card_without_one_rule_names_it(rule: str) -> None:
    members = {
        "__doc__": "A card.",
        "no_derivative": "there is none",
        "value": _value,
        "out_type": _value,
        "batch": _value,
        "cost": _value,
        "samples": classmethod(lambda cls, rng: iter(())),
    }
    del members[rule]
    with pytest.raises(TypeError, match=f"card DefinedForTest lacks {rule}$"):
        _define(Primitive, **members)


def test_a_card_without_a_derivative_statement_is_refused() -> None:
    with pytest.raises(TypeError, match=r"must state its derivative exactly once .*found none"):
        _define(AbstractMap, value=_value, __doc__="A card.")


def test_a_card_with_two_derivative_statements_is_refused() -> None:
    with pytest.raises(TypeError, match="found partial, no_derivative"):
        _define(AbstractMap, value=_value, partial=_partial, no_derivative="why", __doc__="A card.")


def test_a_card_without_a_docstring_is_refused() -> None:
    with pytest.raises(TypeError, match="card DefinedForTest has no docstring"):
        _define(AbstractMap, value=_value, partial=_partial)


def test_a_refused_card_is_not_registered() -> None:
    with pytest.raises(TypeError):
        type("RefusedForTest", (AbstractMap,), {"value": _value})
    assert "RefusedForTest" not in registry


# -- applying a card -------------------------------------------------------------------------------


def test_a_card_applied_to_arrays_just_computes() -> None:
    x = np.ones(3)
    assert type(FieldsForTest((0,))(x)) is np.ndarray


def test_names_of_operands() -> None:
    op = FieldsForTest((0,))
    assert op.operand_names(2) == ("x", "y")
    assert op.operand_names(4) == ("x[0]", "x[1]", "x[2]", "x[3]")
