"""NumPy's functions on tensors: code written with ``import numpy as np`` is differentiable.

NumPy asks a tensor through its two protocols. What answers is the function of the same meaning in
this library, so the result is a tensor and is recorded.
"""

from adjoint.numpy_protocol import looking as looking
from adjoint.numpy_protocol import nan as nan
from adjoint.numpy_protocol import numerical as numerical
from adjoint.numpy_protocol import rearranging as rearranging
from adjoint.numpy_protocol import reducing as reducing
from adjoint.numpy_protocol.functions import array_function as array_function
from adjoint.numpy_protocol.ufuncs import array_ufunc as array_ufunc
