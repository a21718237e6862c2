"""Adjoint: backpropagation that you can see through.

The array functions of the Array API standard and of NumPy, tensors with ``backward()``, and
transforms of functions: `grad`, `vjp`, `jvp`, `vmap`, `jacobian`, `hessian` and their kin.
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from adjoint.core import errors as errors
from adjoint.core.types import default_dtype as default_dtype
from adjoint.core.types import set_default_dtype as set_default_dtype
from adjoint.ops.adaptive_pool import (adaptive_avg_pool1d as adaptive_avg_pool1d, adaptive_avg_pool2d as adaptive_avg_pool2d, adaptive_avg_pool3d as adaptive_avg_pool3d, adaptive_max_pool1d as adaptive_max_pool1d, adaptive_max_pool2d as adaptive_max_pool2d, adaptive_max_pool3d as adaptive_max_pool3d)
from adjoint.ops.along import (put_along_axis as put_along_axis, take_along_axis as take_along_axis)
from adjoint.ops.arithmetic import (add as add, divide as divide, multiply as multiply, negative as negative, positive as positive, subtract as subtract)
from adjoint.ops.axes import (atleast_1d as atleast_1d, atleast_2d as atleast_2d, atleast_3d as atleast_3d, expand_dims as expand_dims, matrix_transpose as matrix_transpose, moveaxis as moveaxis, squeeze as squeeze, swapaxes as swapaxes, transpose as transpose)
from adjoint.ops.bessel import (i0 as i0, i1 as i1)
from adjoint.ops.bitwise import (bitwise_and as bitwise_and, bitwise_invert as bitwise_invert, bitwise_left_shift as bitwise_left_shift, bitwise_or as bitwise_or, bitwise_right_shift as bitwise_right_shift, bitwise_xor as bitwise_xor)
from adjoint.ops.compare import (equal as equal, greater as greater, greater_equal as greater_equal, isfinite as isfinite, isinf as isinf, isnan as isnan, less as less, less_equal as less_equal, logical_and as logical_and, logical_not as logical_not, logical_or as logical_or, logical_xor as logical_xor, not_equal as not_equal)
from adjoint.ops.complex_parts import (abs as abs, angle as angle, complex as complex, conj as conj, imag as imag, real as real, sign as sign)
from adjoint.ops.contract import (matmul as matmul)
from adjoint.ops.convolution import (conv1d as conv1d, conv2d as conv2d, conv3d as conv3d, conv_transpose1d as conv_transpose1d, conv_transpose2d as conv_transpose2d, conv_transpose3d as conv_transpose3d)
from adjoint.ops.correlate import (convolve as convolve, correlate as correlate)
from adjoint.ops.cumulative import (cumprod as cumprod, cumsum as cumsum, cumulative_prod as cumulative_prod, cumulative_sum as cumulative_sum, diff as diff, logcumsumexp as logcumsumexp)
from adjoint.ops.diagonal import (diag as diag, diag_embed as diag_embed, diagonal as diagonal, tril as tril, triu as triu)
from adjoint.ops.dtypes import (__array_namespace_info__ as __array_namespace_info__, astype as astype, bool as bool, can_cast as can_cast, complex128 as complex128, complex64 as complex64, e as e, finfo as finfo, float16 as float16, float32 as float32, float64 as float64, from_dlpack as from_dlpack, iinfo as iinfo, inf as inf, int16 as int16, int32 as int32, int64 as int64, int8 as int8, isdtype as isdtype, nan as nan, newaxis as newaxis, pi as pi, result_type as result_type, uint16 as uint16, uint32 as uint32, uint64 as uint64, uint8 as uint8)
from adjoint.ops.einsum import (einsum as einsum)
from adjoint.ops.error_function import (erf as erf, erfc as erfc, erfinv as erfinv)
from adjoint.ops.exponential import (exp as exp, exp2 as exp2, expm1 as expm1, log as log, log10 as log10, log1p as log1p, log2 as log2, logaddexp as logaddexp)
from adjoint.ops.extreme import (amax as amax, amin as amin, argmax as argmax, argmin as argmin, max as max, min as min)
from adjoint.ops.gamma import (digamma as digamma, lgamma as lgamma, polygamma as polygamma)
from adjoint.ops.gather import (take as take)
from adjoint.ops.hyperbolic import (acosh as acosh, asinh as asinh, atanh as atanh, cosh as cosh, sinh as sinh, tanh as tanh)
from adjoint.ops.index import (add_at as add_at, getitem as getitem, setitem as setitem)
from adjoint.ops.join import (array_split as array_split, cat as cat, column_stack as column_stack, concat as concat, concatenate as concatenate, dsplit as dsplit, dstack as dstack, hsplit as hsplit, hstack as hstack, split as split, stack as stack, unstack as unstack, vsplit as vsplit, vstack as vstack)
from adjoint.ops.nonfinite import (isclose as isclose, nan_to_num as nan_to_num)
from adjoint.ops.pad import (pad as pad)
from adjoint.ops.pool import (avg_pool1d as avg_pool1d, avg_pool2d as avg_pool2d, avg_pool3d as avg_pool3d, max_pool1d as max_pool1d, max_pool2d as max_pool2d, max_pool3d as max_pool3d)
from adjoint.ops.power import (cbrt as cbrt, pow as pow, power as power, reciprocal as reciprocal, rsqrt as rsqrt, sqrt as sqrt, square as square)
from adjoint.ops.products import (dot as dot, inner as inner, kron as kron, multi_dot as multi_dot, outer as outer, tensordot as tensordot, vdot as vdot, vecdot as vecdot)
from adjoint.ops.quantile import (median as median, percentile as percentile, quantile as quantile)
from adjoint.ops.reduce import (all as all, any as any, count_nonzero as count_nonzero, mean as mean, prod as prod, std as std, sum as sum, var as var)
from adjoint.ops.repeat import (repeat as repeat, roll as roll, rot90 as rot90, tile as tile)
from adjoint.ops.rounding import (ceil as ceil, copysign as copysign, divmod as divmod, floor as floor, floor_divide as floor_divide, fmod as fmod, nextafter as nextafter, remainder as remainder, round as round, signbit as signbit, trunc as trunc)
from adjoint.ops.search import (argwhere as argwhere, flatnonzero as flatnonzero, isin as isin, nonzero as nonzero, searchsorted as searchsorted)
from adjoint.ops.select import (clip as clip, fmax as fmax, fmin as fmin, heaviside as heaviside, maximum as maximum, minimum as minimum, relu as relu, where as where)
from adjoint.ops.shape import (broadcast_arrays as broadcast_arrays, broadcast_shapes as broadcast_shapes, broadcast_to as broadcast_to, flatten as flatten, permute_dims as permute_dims, ravel as ravel, reshape as reshape)
from adjoint.ops.slice import (flip as flip, fliplr as fliplr, flipud as flipud)
from adjoint.ops.softmax import (log_softmax as log_softmax, logsumexp as logsumexp, softmax as softmax)
from adjoint.ops.sort import (argpartition as argpartition, argsort as argsort, partition as partition, sort as sort, topk as topk)
from adjoint.ops.source import (arange as arange, empty as empty, empty_like as empty_like, eye as eye, full as full, full_like as full_like, linspace as linspace, logspace as logspace, meshgrid as meshgrid, ones as ones, ones_like as ones_like, zeros as zeros, zeros_like as zeros_like)
from adjoint.ops.special import (log_sigmoid as log_sigmoid, logit as logit, sigmoid as sigmoid, softplus as softplus, xlogy as xlogy)
from adjoint.ops.trigonometric import (acos as acos, asin as asin, atan as atan, atan2 as atan2, cos as cos, degrees as degrees, hypot as hypot, radians as radians, sin as sin, sinc as sinc, tan as tan)
from adjoint.ops.unique import (unique_all as unique_all, unique_counts as unique_counts, unique_inverse as unique_inverse, unique_values as unique_values)
from adjoint.ops.windows import (fold as fold, unfold as unfold)
from adjoint.recording import (grad_enabled as grad_enabled, is_grad_enabled as is_grad_enabled, no_grad as no_grad)
from adjoint.tensor import (Tensor as Tensor, asarray as asarray, tensor as tensor)
from adjoint.transforms.batch import (per_example_grad as per_example_grad, vmap as vmap)
from adjoint.transforms.checkpoint import (checkpoint as checkpoint)
from adjoint.transforms.control_cond import (cond as cond, switch as switch)
from adjoint.transforms.control_scan import (scan as scan)
from adjoint.transforms.control_while import (fori_loop as fori_loop, while_loop as while_loop)
from adjoint.transforms.custom import (custom_gradient as custom_gradient, stop_gradient as stop_gradient)
from adjoint.transforms.forward import (jvp as jvp, linearize as linearize)
from adjoint.transforms.higher import (hessian as hessian, hvp as hvp, jacfwd as jacfwd, jacobian as jacobian, jacrev as jacrev)
from adjoint.transforms.reverse import (grad as grad, value_and_grad as value_and_grad, vjp as vjp)
from adjoint.transforms.stage import (trace as trace)

__array_api_version__ = "2025.12"
__version__ = "0.1.0"

__all__ = [
    "Tensor",
    "__array_namespace_info__",
    "abs",
    "acos",
    "acosh",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "add",
    "add_at",
    "all",
    "amax",
    "amin",
    "angle",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "argwhere",
    "array_split",
    "asarray",
    "asin",
    "asinh",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "bfloat16",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "bool",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "can_cast",
    "cat",
    "cbrt",
    "ceil",
    "checkpoint",
    "clip",
    "column_stack",
    "complex",
    "complex128",
    "complex64",
    "concat",
    "concatenate",
    "cond",
    "conj",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolve",
    "copysign",
    "correlate",
    "cos",
    "cosh",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "custom_gradient",
    "default_dtype",
    "degrees",
    "diag",
    "diag_embed",
    "diagonal",
    "diff",
    "digamma",
    "divide",
    "divmod",
    "dot",
    "dsplit",
    "dstack",
    "e",
    "einsum",
    "empty",
    "empty_like",
    "equal",
    "erf",
    "erfc",
    "erfinv",
    "errors",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "eye",
    "fft",
    "finfo",
    "flatnonzero",
    "flatten",
    "flip",
    "fliplr",
    "flipud",
    "float16",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "fold",
    "fori_loop",
    "from_dlpack",
    "full",
    "full_like",
    "getitem",
    "grad",
    "grad_enabled",
    "greater",
    "greater_equal",
    "heaviside",
    "hessian",
    "hsplit",
    "hstack",
    "hvp",
    "hypot",
    "i0",
    "i1",
    "iinfo",
    "imag",
    "inf",
    "inner",
    "int16",
    "int32",
    "int64",
    "int8",
    "is_grad_enabled",
    "isclose",
    "isdtype",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "kron",
    "less",
    "less_equal",
    "lgamma",
    "linalg",
    "linearize",
    "linspace",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_sigmoid",
    "log_softmax",
    "logaddexp",
    "logcumsumexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logit",
    "logspace",
    "logsumexp",
    "matmul",
    "matrix_transpose",
    "max",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "maximum",
    "mean",
    "median",
    "meshgrid",
    "min",
    "minimum",
    "moveaxis",
    "multi_dot",
    "multiply",
    "nan",
    "nan_to_num",
    "negative",
    "newaxis",
    "nextafter",
    "no_grad",
    "nonzero",
    "not_equal",
    "ones",
    "ones_like",
    "outer",
    "pad",
    "partition",
    "per_example_grad",
    "percentile",
    "permute_dims",
    "pi",
    "polygamma",
    "positive",
    "pow",
    "power",
    "prod",
    "put_along_axis",
    "quantile",
    "radians",
    "random",
    "ravel",
    "real",
    "reciprocal",
    "relu",
    "remainder",
    "repeat",
    "reshape",
    "result_type",
    "roll",
    "rot90",
    "round",
    "rsqrt",
    "scan",
    "searchsorted",
    "set_default_dtype",
    "setitem",
    "sigmoid",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "softmax",
    "softplus",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "stop_gradient",
    "subtract",
    "sum",
    "swapaxes",
    "switch",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensor",
    "tensordot",
    "testing",
    "tile",
    "topk",
    "trace",
    "transpose",
    "tril",
    "triu",
    "trunc",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
    "unfold",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "unstack",
    "value_and_grad",
    "var",
    "vdot",
    "vecdot",
    "vjp",
    "vmap",
    "vsplit",
    "vstack",
    "where",
    "while_loop",
    "xlogy",
    "zeros",
    "zeros_like",
]

# Namespaces that not every program uses are loaded when they are first named.
_LATER = ("fft", "linalg", "random", "testing")

Tensor.numpy_protocol = staticmethod(lambda: _import_module("adjoint.numpy_protocol"))


def __getattr__(name: str) -> _Any:
    if name in _LATER:
        return _import_module(f"adjoint.{name}")
    if name == "bfloat16":
        from adjoint.core.types import as_dtype  # noqa: PLC0415  # late: it loads ml_dtypes

        return as_dtype(name)
    raise AttributeError(f"module 'adjoint' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
