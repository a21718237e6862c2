"""Parameters: the tensors that training changes."""

from __future__ import annotations

from typing import Any, Self

import adjoint as ad

__all__ = ["Parameter"]


class Parameter(ad.Tensor):
    """A tensor that belongs to a module and wants a gradient.

    Assigned to an attribute of a module, it registers under that name, and knows its path in the
    outermost module as ``.name``, which messages and drawings show. An optimizer changes it in
    place by ``parameter.assign(new)`` under `ad.no_grad`.

    Example:
        >>> ad.nn.Parameter([1.0, 2.0])
        Parameter([1., 2.])
    """

    __slots__ = ()

    def __new__(cls, data: Any, dtype: Any = None, requires_grad: bool = True) -> Self:
        """A parameter with these values.

        Args:
            data: initial values; Python numbers become the default dtype. They are copied.
            dtype: dtype of the elements; see `ad.tensor`.
            requires_grad: whether gradients are computed for it; False makes it frozen.

        Raises:
            DTypeError: if it wants a gradient and is not of a float dtype.
        """
        return super().__new__(cls, data, dtype, requires_grad)

    def __copy__(self) -> Self:
        """A parameter of its own: two names for one parameter are one name too many."""
        copy: Any = self.__deepcopy__({})
        return copy

    def __repr__(self) -> str:
        text = super().__repr__().replace(", requires_grad=True", "")
        text = text.replace("\n", "\n   ")  # the word is longer than `tensor`
        frozen = "" if self.requires_grad else ", requires_grad=False"
        return f"Parameter{text.removeprefix('tensor')[:-1]}{frozen})"
