"""Convolution in any number of dimensions: one card that is closed under its own transposes.

A convolution is a contraction of letters that also slides. For each spatial axis it pairs the input
element i, the kernel element k and the output element p for which

    i * input_dilation + low  ==  p * stride + k' * kernel_dilation

with k' = k, or k counted from the end where `flip` is set. The relation names the three alike, so
the cotangent of the input and that of the kernel are convolutions too, with the roles exchanged.

How NumPy computes it is in `columns`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, Literal, final

from adjoint.core.bind import lift
from adjoint.core.errors import AdjointError, ArgumentError, ShapeError
from adjoint.core.primitive import Sample
from adjoint.core.types import Type, promote
from adjoint.ops.arithmetic import ADD
from adjoint.ops.bilinear import AbstractBilinear, renamed, split
from adjoint.ops.columns import Geometry, convolve_arrays
from adjoint.ops.families import conj
from adjoint.ops.shape import Reshape, refusal
from adjoint.ops.windows import Pairs, both_sides, counts, dilated, per_axis

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]

Ints = tuple[int, ...]


@final
class Convolve(AbstractBilinear):
    """A convolution of an input with a kernel; letters name the axes that do not slide.

    The operands have the axes of `spec` in front and then the spatial ones. ``"ab,cb->ac"`` is the
    usual layout: batch and channels of the input, filters and channels of the kernel. Groups are
    one more letter in all three.

    Attributes:
        spec: letters of the leading axes of input, kernel and result.
        stride: distance of the windows.
        padding: zeros (low, high) around the dilated input; negative ones crop it.
        input_dilation: distance of the input's elements.
        kernel_dilation: distance of the kernel's elements.
        flip: whether the kernel is read from its end, as in the convolution of mathematics.
        strong: position of the operand whose exact zeros annihilate infinities and NaNs; or -1.
    """

    spec: str
    stride: Ints
    padding: Pairs
    input_dilation: Ints
    kernel_dilation: Ints
    flip: bool = False
    strong: int = -1
    kind = "conv"
    name = "convolution"

    def plain(self, x: Any, y: Any) -> Any:
        windows = self.out_type(x, y).shape[len(split(self.spec)[2]) :]
        geometry = Geometry(
            self.stride,
            tuple(low for low, _ in self.padding),
            self.input_dilation,
            self.kernel_dilation,
        )
        return convolve_arrays(self.spec, geometry, self.flip, x, y, windows)

    def out_type(self, x: Any, y: Any) -> Type:
        a, b, o = split(self.spec)
        n = len(self.stride)
        for operand, letters, title in ((x, a, "x"), (y, b, "y")):
            if operand.ndim != len(letters) + n:
                wanted = len(letters) + n
                raise ShapeError(f"{title} has {operand.ndim} axes, the convolution needs {wanted}")
        for i, c in enumerate(a):
            j = b.find(c)
            if j >= 0 and x.shape[i] != y.shape[j]:
                raise ShapeError(
                    f"sizes differ: x.shape[{i}] = {x.shape[i]}, y.shape[{j}] = {y.shape[j]}"
                )
        sizes = self.sizes(x, y)
        spread = tuple(map(dilated, x.shape[len(a) :], self.input_dilation))
        windows = counts(spread, y.shape[len(b) :], self.stride, self.padding, self.kernel_dilation)
        return Type((*[sizes[c] for c in o], *windows), promote(x.dtype, y.dtype))

    def transpose(self, i: int, ct: Any, x: Any, y: Any) -> Any:
        a, b, o = split(self.spec)
        s, e, d = self.stride, self.input_dilation, self.kernel_dilation
        image, kernel = x.shape[len(a) :], y.shape[len(b) :]
        windows = ct.shape[len(o) :]
        low = tuple(at for at, _ in self.padding)
        # the offset of the relation when the output is taken for the input
        back = tuple((n - 1) * step - at for n, step, at in zip(kernel, d, low, strict=True))
        if i == 0:
            pad = exact_padding(image, windows, kernel, e, s, d, back)
            card = Convolve(renamed(o, b, a), e, pad, s, d, not self.flip, 0)
            return card(ct, conj(y))
        if self.flip:
            pad = exact_padding(kernel, windows, image, d, s, e, back)
            return Convolve(renamed(o, a, b), d, pad, s, e, False, 0)(ct, conj(x))
        pad = exact_padding(kernel, image, windows, d, e, s, low)
        return Convolve(renamed(a, o, b), d, pad, e, s, False, 1)(conj(x), ct)

    def cost(self, *types: Any) -> int:
        x, y = types
        a, b, o = split(self.spec)
        slid = x.shape[len(a) :] if self.flip else self.out_type(x, y).shape[len(o) :]
        letters = prod(self.sizes(x, y).values())
        return 2 * letters * prod(slid) * prod(y.shape[len(b) :])

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        one, two, none = (1, 1), (2, 1), ((0, 0), (0, 0))
        x, w = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 2, 3))
        yield cls("ab,cb->ac", one, none, one, one), [x, w]
        yield cls("ab,cb->ac", two, ((1, 0), (2, 1)), one, (1, 2)), [x, w]
        yield cls("ab,cb->ac", (1, 2), ((3, 2), (0, -1)), (2, 1), two, True), [x, w]
        yield cls("ab,cb->ac", two, ((2, 2), (1, 1)), two, one), [x, w]
        x, w = rng.normal(size=(2, 3, 4, 7)), rng.normal(size=(3, 1, 4, 2))
        yield cls("abc,bdc->abd", (2,), ((1, 1),), (1,), (3,)), [x, w]
        yield cls("abc,bdc->abd", (1,), ((1, 1),), (2,), (1,), True, 0), [x, w]
        x, w = rng.normal(size=(2, 3, 7)), rng.normal(size=(3, 4))
        yield cls("ab,b->ab", (1,), ((1, 2),), (1,), (1,)), [x, w]
        yield cls("ab,b->ab", (1,), ((1, 2),), (2,), (1,), True), [x, w]
        yield cls("ab,->ab", (2,), ((0, 0),), (1,), (1,), False, 1), [x, w[0]]
        yield cls(",->", (1,), ((3, 3),), (1,), (1,), True), [x[0, 0], w[0] + 1j * w[1]]
        x, w = rng.normal(size=(1, 2, 3, 4, 3)), rng.normal(size=(2, 2, 2, 1, 2))
        yield cls("ab,cb->ac", (1, 2, 1), ((0, 1),) * 3, (1,) * 3, (1,) * 3), [x, w]


def exact_padding(
    out: Ints, image: Ints, kernel: Ints, stride: Ints, spread: Ints, step: Ints, low: Ints
) -> Pairs:
    """Padding with this low end for which a convolution has exactly `out` windows."""
    return tuple(
        (at, dilated(p, s) + dilated(k, d) - 1 - at - dilated(n, e))
        for p, n, k, s, e, d, at in zip(out, image, kernel, stride, spread, step, low, strict=True)
    )


# -- layers' convolutions, in PyTorch's layout -----------------------------------------------------

OneOrMore = int | Sequence[int]
Padding = int | Sequence[int | tuple[int, int]] | Literal["same", "valid"]


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: OneOrMore = 1,
    padding: Padding = 0,
    dilation: OneOrMore = 1,
    groups: int = 1,
) -> Any:
    """Convolution of sequences with filters; like PyTorch, it does not flip them. See `conv2d`.

    Args:
        x: shape (N, C, length) or (C, length).
        weight: shape (filters, C / groups, size).
        bias: shape (filters,), or None.
        stride: see `conv2d`.
        padding: see `conv2d`.
        dilation: see `conv2d`.
        groups: see `conv2d`.

    Returns:
        Shape (N, filters, windows); N only if `x` has it.

    Example:
        >>> ad.conv1d(ad.tensor([[1.0, 2.0, 4.0, 8.0]]), ad.tensor([[[1.0, 1.0]]]))
        tensor([[ 3.,  6., 12.]])
    """
    return _conv("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: OneOrMore = 1,
    padding: Padding = 0,
    dilation: OneOrMore = 1,
    groups: int = 1,
) -> Any:
    """Convolution of images with filters; like PyTorch, it does not flip them.

    ``out[n, o, p, q] = bias[o] + sum over c, i, j of
    x[n, c, p * stride + i * dilation - padding, ...] * weight[o, c, i, j]``

    Args:
        x: shape (N, C, height, width) or (C, height, width).
        weight: shape (filters, C / groups, height, width).
        bias: shape (filters,), or None.
        stride: distance of the windows; an int, or one for each spatial axis.
        padding: zeros on both sides of each spatial axis: an int, one for each axis or a pair
            (before, after) for each; "valid" for none; "same" for a result of the size of `x`,
            where an odd number puts one more zero after.
        dilation: distance of the elements of a filter.
        groups: number of groups that the channels and the filters are split into; each group of
            filters sees its group of channels.

    Returns:
        Shape (N, filters, windows down, windows across); N only if `x` has it.

    Raises:
        ShapeError: if the channels do not match, or a filter does not fit into the padded image.
        ArgumentError: if an option has a wrong value, such as "same" with a stride.

    Example:
        >>> ad.conv2d(ad.ones((1, 3, 5, 5)), ad.ones((2, 3, 3, 3)), stride=2, padding=1).shape
        (1, 2, 3, 3)

    **Gradient:** the transposed convolution for `x`; a convolution of `x` with the cotangent for
    `weight`. Where the cotangent is exactly zero, infinities and NaNs do not reach the gradient.
    """
    return _conv("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: OneOrMore = 1,
    padding: Padding = 0,
    dilation: OneOrMore = 1,
    groups: int = 1,
) -> Any:
    """Convolution of volumes with filters; like PyTorch, it does not flip them. See `conv2d`.

    Args:
        x: shape (N, C, depth, height, width) or (C, depth, height, width).
        weight: shape (filters, C / groups, depth, height, width).
        bias: shape (filters,), or None.
        stride: see `conv2d`.
        padding: see `conv2d`.
        dilation: see `conv2d`.
        groups: see `conv2d`.

    Example:
        >>> ad.conv3d(ad.ones((1, 1, 4, 4, 4)), ad.ones((2, 1, 3, 3, 3))).shape
        (1, 2, 2, 2, 2)
    """
    return _conv("conv3d", 3, x, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: OneOrMore = 1,
    padding: OneOrMore = 0,
    output_padding: OneOrMore = 0,
    groups: int = 1,
    dilation: OneOrMore = 1,
) -> Any:
    """The transpose of `conv1d` with respect to its input. See `conv_transpose2d`.

    Example:
        >>> ad.conv_transpose1d(ad.tensor([[1.0, 2.0]]), ad.tensor([[[1.0, 1.0, 1.0]]]), stride=2)
        tensor([[1., 1., 3., 2., 2.]])
    """
    return _conv_transpose(
        "conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: OneOrMore = 1,
    padding: OneOrMore = 0,
    output_padding: OneOrMore = 0,
    groups: int = 1,
    dilation: OneOrMore = 1,
) -> Any:
    """The transpose of `conv2d` with respect to its input, which enlarges an image.

    Args:
        x: shape (N, C, height, width) or (C, height, width).
        weight: shape (C, filters / groups, height, width).
        bias: shape (filters,), or None.
        stride: distance of the windows that are written to; an int, or one for each axis.
        padding: number of elements cut off on both sides of each axis.
        output_padding: elements appended to each axis; below `stride` or `dilation`.
        groups: number of groups of channels and filters.
        dilation: distance of the elements of a filter.

    Returns:
        Shape (N, filters, height, width), where each size is
        ``(size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1``.

    Raises:
        ShapeError: if the channels do not match, or nothing is left of the result.
        ArgumentError: if an option has a wrong value.

    Example:
        >>> ad.conv_transpose2d(ad.ones((1, 3, 4, 4)), ad.ones((3, 2, 2, 2)), stride=2).shape
        (1, 2, 8, 8)

    **Gradient:** `conv2d` for `x`.
    """
    return _conv_transpose(
        "conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: OneOrMore = 1,
    padding: OneOrMore = 0,
    output_padding: OneOrMore = 0,
    groups: int = 1,
    dilation: OneOrMore = 1,
) -> Any:
    """The transpose of `conv3d` with respect to its input. See `conv_transpose2d`.

    Example:
        >>> ad.conv_transpose3d(ad.ones((1, 1, 2, 2, 2)), ad.ones((1, 1, 2, 2, 2)), stride=2).shape
        (1, 1, 4, 4, 4)
    """
    return _conv_transpose(
        "conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def _conv(
    op: str,
    n: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    x, weight = lift(x), lift(weight)
    try:
        check_layout(n, x, weight, groups, 1)
        step, spread = per_axis("stride", stride, n), per_axis("dilation", dilation, n)
        kernel = weight.shape[2:]
        pad = conv_padding(padding, kernel, step, spread)
        counts(x.shape[-n:], kernel, step, pad, spread)
    except AdjointError as error:
        raise refusal(op, error, ("x", x), ("weight", weight)) from None
    letters = ("bdc", "bd") if groups > 1 else ("dc", "d")
    weight = grouped(weight, 0, groups)
    out = _apply(x, weight, n, groups, letters, (step, pad, (1,) * n, spread, False))
    return with_bias(op, out, bias, n)


def _conv_transpose(
    op: str,
    n: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    x, weight = lift(x), lift(weight)
    try:
        check_layout(n, x, weight, groups, 0)
        step, spread = per_axis("stride", stride, n), per_axis("dilation", dilation, n)
        cut, more = (
            per_axis("padding", padding, n, 0),
            per_axis("output_padding", output_padding, n, 0),
        )
        kernel = weight.shape[2:]
        pad = transposed_padding(cut, more, kernel, step, spread)
        counts(tuple(map(dilated, x.shape[-n:], step)), kernel, (1,) * n, pad, spread)
    except AdjointError as error:
        raise refusal(op, error, ("x", x), ("weight", weight)) from None
    letters = ("bcd", "bd") if groups > 1 else ("cd", "d")
    weight = grouped(weight, 0, groups)
    out = _apply(x, weight, n, groups, letters, ((1,) * n, pad, step, spread, True))
    return with_bias(op, out, bias, n)


def _apply(
    x: Any, weight: Any, n: int, groups: int, letters: tuple[str, str], fields: tuple[Any, ...]
) -> Any:
    """The convolution with the channels of `x` split into groups, those of the result joined."""
    batch = x.ndim - n - 1
    x = grouped(x, batch, groups)
    a = "a" * batch + ("bc" if groups > 1 else "c")
    out = Convolve(renamed(a, letters[0], "a" * batch + letters[1]), *fields)(x, weight)
    if groups == 1:
        return out
    lead = x.shape[:batch]
    return Reshape((*lead, groups * out.shape[batch + 1], *out.shape[batch + 2 :]))(out)


def grouped(x: Any, axis: int, groups: int) -> Any:
    """The value with an axis split into groups, if there are several."""
    if groups == 1:
        return x
    size = x.shape[axis] // groups
    return Reshape((*x.shape[:axis], groups, size, *x.shape[axis + 1 :]))(x)


def check_layout(n: int, x: Any, weight: Any, groups: int, per_group: int) -> None:
    """Refuse operands whose axes or channels do not fit.

    Args:
        n: number of spatial axes.
        x: the input.
        weight: the filters.
        groups: number of groups.
        per_group: which axis of the filters counts the channels: 1 if it counts those of a group, 0
            if it counts all.
    """
    if x.ndim not in (n + 1, n + 2):
        raise ShapeError(f"x has {x.ndim} axes, expected {n + 1} or {n + 2}")
    if weight.ndim != n + 2:
        raise ShapeError(f"weight has {weight.ndim} axes, expected {n + 2}")
    if groups < 1 or weight.shape[0] % groups:
        raise ArgumentError(
            f"groups = {groups} does not divide weight.shape[0] = {weight.shape[0]}"
        )
    axis = x.ndim - n - 1
    channels = weight.shape[per_group] * (groups if per_group else 1)
    if x.shape[axis] != channels:
        times = f" in {groups} groups" if per_group and groups > 1 else ""
        raise ShapeError(
            f"channels differ: x.shape[{axis}] = {x.shape[axis]}, "
            f"weight.shape[{per_group}] = {weight.shape[per_group]}{times}"
        )


def conv_padding(padding: Any, kernel: Ints, stride: Ints, dilation: Ints) -> Pairs:
    """Zeros before and after each axis for what the user gave."""
    if not isinstance(padding, str):
        return both_sides(padding, len(kernel))
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding != "same":
        raise ArgumentError(f'padding must be ints, "same" or "valid", got {padding!r}')
    if any(s != 1 for s in stride):
        raise ArgumentError(f'padding="same" needs stride 1, got {stride}')
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def transposed_padding(cut: Ints, more: Ints, kernel: Ints, stride: Ints, dilation: Ints) -> Pairs:
    """Zeros around the dilated input of a transposed convolution."""
    for extra, s, d in zip(more, stride, dilation, strict=True):
        if extra >= max(s, d):
            raise ArgumentError(
                f"output_padding = {extra} must be below stride = {s} or dilation = {d}"
            )
    whole = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((w - p, w - p + extra) for w, p, extra in zip(whole, cut, more, strict=True))


def with_bias(op: str, out: Any, bias: Any, n: int) -> Any:
    """The result with a number added to each of its channels."""
    if bias is None:
        return out
    bias = lift(bias)
    channels = out.shape[out.ndim - n - 1]
    if bias.shape != (channels,):
        fact = ShapeError(f"bias has shape {bias.shape}, expected ({channels},)")
        raise refusal(op, fact, ("bias", bias))
    return ADD(out, Reshape((channels, *(1,) * n))(bias))
