"""Adjoint: backpropagation that you can see through.

The array functions of the Array API standard and of NumPy, tensors with ``backward()``, and
transforms of functions: `grad`, `vjp`, `jvp`, `vmap`, `jacobian`, `hessian` and their kin.
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from adjoint.core import errors as errors
from adjoint.core.types import default_dtype as default_dtype
from adjoint.core.types import set_default_dtype as set_default_dtype
from adjoint.ops.adaptive_pool import adaptive_avg_pool1d as adaptive_avg_pool1d
from adjoint.ops.adaptive_pool import adaptive_avg_pool2d as adaptive_avg_pool2d
from adjoint.ops.adaptive_pool import adaptive_avg_pool3d as adaptive_avg_pool3d
from adjoint.ops.adaptive_pool import adaptive_max_pool1d as adaptive_max_pool1d
from adjoint.ops.adaptive_pool import adaptive_max_pool2d as adaptive_max_pool2d
from adjoint.ops.adaptive_pool import adaptive_max_pool3d as adaptive_max_pool3d
from adjoint.ops.along import put_along_axis as put_along_axis
from adjoint.ops.along import take_along_axis as take_along_axis
from adjoint.ops.arithmetic import add as add
from adjoint.ops.arithmetic import divide as divide
from adjoint.ops.arithmetic import multiply as multiply
from adjoint.ops.arithmetic import negative as negative
from adjoint.ops.arithmetic import positive as positive
from adjoint.ops.arithmetic import subtract as subtract
from adjoint.ops.axes import atleast_1d as atleast_1d
from adjoint.ops.axes import atleast_2d as atleast_2d
from adjoint.ops.axes import atleast_3d as atleast_3d
from adjoint.ops.axes import expand_dims as expand_dims
from adjoint.ops.axes import matrix_transpose as matrix_transpose
from adjoint.ops.axes import moveaxis as moveaxis
from adjoint.ops.axes import squeeze as squeeze
from adjoint.ops.axes import swapaxes as swapaxes
from adjoint.ops.axes import transpose as transpose
from adjoint.ops.bessel import i0 as i0
from adjoint.ops.bessel import i1 as i1
from adjoint.ops.bitwise import bitwise_and as bitwise_and
from adjoint.ops.bitwise import bitwise_invert as bitwise_invert
from adjoint.ops.bitwise import bitwise_left_shift as bitwise_left_shift
from adjoint.ops.bitwise import bitwise_or as bitwise_or
from adjoint.ops.bitwise import bitwise_right_shift as bitwise_right_shift
from adjoint.ops.bitwise import bitwise_xor as bitwise_xor
from adjoint.ops.compare import equal as equal
from adjoint.ops.compare import greater as greater
from adjoint.ops.compare import greater_equal as greater_equal
from adjoint.ops.compare import isfinite as isfinite
from adjoint.ops.compare import isinf as isinf
from adjoint.ops.compare import isnan as isnan
from adjoint.ops.compare import less as less
from adjoint.ops.compare import less_equal as less_equal
from adjoint.ops.compare import logical_and as logical_and
from adjoint.ops.compare import logical_not as logical_not
from adjoint.ops.compare import logical_or as logical_or
from adjoint.ops.compare import logical_xor as logical_xor
from adjoint.ops.compare import not_equal as not_equal
from adjoint.ops.complex_parts import abs as abs
from adjoint.ops.complex_parts import angle as angle
from adjoint.ops.complex_parts import complex as complex
from adjoint.ops.complex_parts import conj as conj
from adjoint.ops.complex_parts import imag as imag
from adjoint.ops.complex_parts import real as real
from adjoint.ops.complex_parts import sign as sign
from adjoint.ops.contract import matmul as matmul
from adjoint.ops.convolution import conv1d as conv1d
from adjoint.ops.convolution import conv2d as conv2d
from adjoint.ops.convolution import conv3d as conv3d
from adjoint.ops.convolution import conv_transpose1d as conv_transpose1d
from adjoint.ops.convolution import conv_transpose2d as conv_transpose2d
from adjoint.ops.convolution import conv_transpose3d as conv_transpose3d
from adjoint.ops.correlate import convolve as convolve
from adjoint.ops.correlate import correlate as correlate
from adjoint.ops.cumulative import cumprod as cumprod
from adjoint.ops.cumulative import cumsum as cumsum
from adjoint.ops.cumulative import cumulative_prod as cumulative_prod
from adjoint.ops.cumulative import cumulative_sum as cumulative_sum
from adjoint.ops.cumulative import diff as diff
from adjoint.ops.cumulative import logcumsumexp as logcumsumexp
from adjoint.ops.diagonal import diag as diag
from adjoint.ops.diagonal import diag_embed as diag_embed
from adjoint.ops.diagonal import diagonal as diagonal
from adjoint.ops.diagonal import tril as tril
from adjoint.ops.diagonal import triu as triu
from adjoint.ops.dtypes import __array_namespace_info__ as __array_namespace_info__
from adjoint.ops.dtypes import astype as astype
from adjoint.ops.dtypes import bool as bool
from adjoint.ops.dtypes import can_cast as can_cast
from adjoint.ops.dtypes import complex128 as complex128
from adjoint.ops.dtypes import complex64 as complex64
from adjoint.ops.dtypes import e as e
from adjoint.ops.dtypes import finfo as finfo
from adjoint.ops.dtypes import float16 as float16
from adjoint.ops.dtypes import float32 as float32
from adjoint.ops.dtypes import float64 as float64
from adjoint.ops.dtypes import from_dlpack as from_dlpack
from adjoint.ops.dtypes import iinfo as iinfo
from adjoint.ops.dtypes import inf as inf
from adjoint.ops.dtypes import int16 as int16
from adjoint.ops.dtypes import int32 as int32
from adjoint.ops.dtypes import int64 as int64
from adjoint.ops.dtypes import int8 as int8
from adjoint.ops.dtypes import isdtype as isdtype
from adjoint.ops.dtypes import nan as nan
from adjoint.ops.dtypes import newaxis as newaxis
from adjoint.ops.dtypes import pi as pi
from adjoint.ops.dtypes import result_type as result_type
from adjoint.ops.dtypes import uint16 as uint16
from adjoint.ops.dtypes import uint32 as uint32
from adjoint.ops.dtypes import uint64 as uint64
from adjoint.ops.dtypes import uint8 as uint8
from adjoint.ops.einsum import einsum as einsum
from adjoint.ops.error_function import erf as erf
from adjoint.ops.error_function import erfc as erfc
from adjoint.ops.error_function import erfinv as erfinv
from adjoint.ops.exponential import exp as exp
from adjoint.ops.exponential import exp2 as exp2
from adjoint.ops.exponential import expm1 as expm1
from adjoint.ops.exponential import log as log
from adjoint.ops.exponential import log10 as log10
from adjoint.ops.exponential import log1p as log1p
from adjoint.ops.exponential import log2 as log2
from adjoint.ops.exponential import logaddexp as logaddexp
from adjoint.ops.gamma import digamma as digamma
from adjoint.ops.gamma import lgamma as lgamma
from adjoint.ops.gamma import polygamma as polygamma
from adjoint.ops.gather import take as take
from adjoint.ops.hyperbolic import acosh as acosh
from adjoint.ops.hyperbolic import asinh as asinh
from adjoint.ops.hyperbolic import atanh as atanh
from adjoint.ops.hyperbolic import cosh as cosh
from adjoint.ops.hyperbolic import sinh as sinh
from adjoint.ops.hyperbolic import tanh as tanh
from adjoint.ops.index import add_at as add_at
from adjoint.ops.index import getitem as getitem
from adjoint.ops.index import setitem as setitem
from adjoint.ops.join import array_split as array_split
from adjoint.ops.join import cat as cat
from adjoint.ops.join import column_stack as column_stack
from adjoint.ops.join import concat as concat
from adjoint.ops.join import concatenate as concatenate
from adjoint.ops.join import dsplit as dsplit
from adjoint.ops.join import dstack as dstack
from adjoint.ops.join import hsplit as hsplit
from adjoint.ops.join import hstack as hstack
from adjoint.ops.join import split as split
from adjoint.ops.join import stack as stack
from adjoint.ops.join import unstack as unstack
from adjoint.ops.join import vsplit as vsplit
from adjoint.ops.join import vstack as vstack
from adjoint.ops.nonfinite import isclose as isclose
from adjoint.ops.nonfinite import nan_to_num as nan_to_num
from adjoint.ops.pad import pad as pad
from adjoint.ops.pool import avg_pool1d as avg_pool1d
from adjoint.ops.pool import avg_pool2d as avg_pool2d
from adjoint.ops.pool import avg_pool3d as avg_pool3d
from adjoint.ops.pool import max_pool1d as max_pool1d
from adjoint.ops.pool import max_pool2d as max_pool2d
from adjoint.ops.pool import max_pool3d as max_pool3d
from adjoint.ops.power import cbrt as cbrt
from adjoint.ops.power import pow as pow
from adjoint.ops.power import power as power
from adjoint.ops.power import reciprocal as reciprocal
from adjoint.ops.power import rsqrt as rsqrt
from adjoint.ops.power import sqrt as sqrt
from adjoint.ops.power import square as square
from adjoint.ops.products import dot as dot
from adjoint.ops.products import inner as inner
from adjoint.ops.products import kron as kron
from adjoint.ops.products import multi_dot as multi_dot
from adjoint.ops.products import outer as outer
from adjoint.ops.products import tensordot as tensordot
from adjoint.ops.products import vdot as vdot
from adjoint.ops.products import vecdot as vecdot
from adjoint.ops.quantile import median as median
from adjoint.ops.quantile import percentile as percentile
from adjoint.ops.quantile import quantile as quantile
from adjoint.ops.reduce import all as all
from adjoint.ops.reduce import amax as amax
from adjoint.ops.reduce import amin as amin
from adjoint.ops.reduce import any as any
from adjoint.ops.reduce import argmax as argmax
from adjoint.ops.reduce import argmin as argmin
from adjoint.ops.reduce import count_nonzero as count_nonzero
from adjoint.ops.reduce import max as max
from adjoint.ops.reduce import mean as mean
from adjoint.ops.reduce import min as min
from adjoint.ops.reduce import prod as prod
from adjoint.ops.reduce import std as std
from adjoint.ops.reduce import sum as sum
from adjoint.ops.reduce import var as var
from adjoint.ops.repeat import repeat as repeat
from adjoint.ops.repeat import roll as roll
from adjoint.ops.repeat import rot90 as rot90
from adjoint.ops.repeat import tile as tile
from adjoint.ops.rounding import ceil as ceil
from adjoint.ops.rounding import copysign as copysign
from adjoint.ops.rounding import divmod as divmod
from adjoint.ops.rounding import floor as floor
from adjoint.ops.rounding import floor_divide as floor_divide
from adjoint.ops.rounding import fmod as fmod
from adjoint.ops.rounding import nextafter as nextafter
from adjoint.ops.rounding import remainder as remainder
from adjoint.ops.rounding import round as round
from adjoint.ops.rounding import signbit as signbit
from adjoint.ops.rounding import trunc as trunc
from adjoint.ops.search import argwhere as argwhere
from adjoint.ops.search import flatnonzero as flatnonzero
from adjoint.ops.search import isin as isin
from adjoint.ops.search import nonzero as nonzero
from adjoint.ops.search import searchsorted as searchsorted
from adjoint.ops.select import clip as clip
from adjoint.ops.select import fmax as fmax
from adjoint.ops.select import fmin as fmin
from adjoint.ops.select import heaviside as heaviside
from adjoint.ops.select import maximum as maximum
from adjoint.ops.select import minimum as minimum
from adjoint.ops.select import relu as relu
from adjoint.ops.select import where as where
from adjoint.ops.shape import broadcast_arrays as broadcast_arrays
from adjoint.ops.shape import broadcast_shapes as broadcast_shapes
from adjoint.ops.shape import broadcast_to as broadcast_to
from adjoint.ops.shape import flatten as flatten
from adjoint.ops.shape import permute_dims as permute_dims
from adjoint.ops.shape import ravel as ravel
from adjoint.ops.shape import reshape as reshape
from adjoint.ops.slice import flip as flip
from adjoint.ops.slice import fliplr as fliplr
from adjoint.ops.slice import flipud as flipud
from adjoint.ops.softmax import log_softmax as log_softmax
from adjoint.ops.softmax import logsumexp as logsumexp
from adjoint.ops.softmax import softmax as softmax
from adjoint.ops.sort import argpartition as argpartition
from adjoint.ops.sort import argsort as argsort
from adjoint.ops.sort import partition as partition
from adjoint.ops.sort import sort as sort
from adjoint.ops.sort import topk as topk
from adjoint.ops.source import arange as arange
from adjoint.ops.source import empty as empty
from adjoint.ops.source import empty_like as empty_like
from adjoint.ops.source import eye as eye
from adjoint.ops.source import full as full
from adjoint.ops.source import full_like as full_like
from adjoint.ops.source import linspace as linspace
from adjoint.ops.source import logspace as logspace
from adjoint.ops.source import meshgrid as meshgrid
from adjoint.ops.source import ones as ones
from adjoint.ops.source import ones_like as ones_like
from adjoint.ops.source import zeros as zeros
from adjoint.ops.source import zeros_like as zeros_like
from adjoint.ops.special import log_sigmoid as log_sigmoid
from adjoint.ops.special import logit as logit
from adjoint.ops.special import sigmoid as sigmoid
from adjoint.ops.special import softplus as softplus
from adjoint.ops.special import xlogy as xlogy
from adjoint.ops.trigonometric import acos as acos
from adjoint.ops.trigonometric import asin as asin
from adjoint.ops.trigonometric import atan as atan
from adjoint.ops.trigonometric import atan2 as atan2
from adjoint.ops.trigonometric import cos as cos
from adjoint.ops.trigonometric import degrees as degrees
from adjoint.ops.trigonometric import hypot as hypot
from adjoint.ops.trigonometric import radians as radians
from adjoint.ops.trigonometric import sin as sin
from adjoint.ops.trigonometric import sinc as sinc
from adjoint.ops.trigonometric import tan as tan
from adjoint.ops.unique import unique_all as unique_all
from adjoint.ops.unique import unique_counts as unique_counts
from adjoint.ops.unique import unique_inverse as unique_inverse
from adjoint.ops.unique import unique_values as unique_values
from adjoint.ops.windows import fold as fold
from adjoint.ops.windows import unfold as unfold
from adjoint.recording import grad_enabled as grad_enabled
from adjoint.recording import is_grad_enabled as is_grad_enabled
from adjoint.recording import no_grad as no_grad
from adjoint.tensor import Tensor as Tensor
from adjoint.tensor import asarray as asarray
from adjoint.tensor import tensor as tensor
from adjoint.transforms.batch import per_example_grad as per_example_grad
from adjoint.transforms.batch import vmap as vmap
from adjoint.transforms.checkpoint import checkpoint as checkpoint
from adjoint.transforms.control_cond import cond as cond
from adjoint.transforms.control_cond import switch as switch
from adjoint.transforms.control_scan import scan as scan
from adjoint.transforms.control_while import fori_loop as fori_loop
from adjoint.transforms.control_while import while_loop as while_loop
from adjoint.transforms.custom import custom_gradient as custom_gradient
from adjoint.transforms.custom import stop_gradient as stop_gradient
from adjoint.transforms.forward import jvp as jvp
from adjoint.transforms.forward import linearize as linearize
from adjoint.transforms.higher import hessian as hessian
from adjoint.transforms.higher import hvp as hvp
from adjoint.transforms.higher import jacfwd as jacfwd
from adjoint.transforms.higher import jacobian as jacobian
from adjoint.transforms.higher import jacrev as jacrev
from adjoint.transforms.reverse import grad as grad
from adjoint.transforms.reverse import value_and_grad as value_and_grad
from adjoint.transforms.reverse import vjp as vjp
from adjoint.transforms.stage import trace as trace

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
