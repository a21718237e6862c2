"""NumPy's functions on tensors: code written with ``import numpy as np`` is differentiable.

NumPy asks a tensor through its two protocols. What answers is the function of the same meaning in
this library, so the result is a tensor and is recorded.
"""

from adjoint.numpy_protocol import (
    looking as looking,
    nan as nan,
    numerical as numerical,
    rearranging as rearranging,
    reducing as reducing,
)
from adjoint.numpy_protocol.functions import array_function as array_function
from adjoint.numpy_protocol.ufuncs import array_ufunc as array_ufunc
