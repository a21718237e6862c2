"""Linear algebra: the `linalg` namespace of the Array API standard, and what NumPy has beyond it.

Every function works on the last two axes and broadcasts over the others.
"""

from adjoint.ops.axes import matrix_transpose
from adjoint.ops.contract import matmul
from adjoint.ops.linalg.determinant import SlogdetResult, det, slogdet
from adjoint.ops.linalg.eigen import EighResult, EigResult, eig, eigh, eigvals, eigvalsh
from adjoint.ops.linalg.least_squares import LstsqResult, lstsq, pinv
from adjoint.ops.linalg.norms import cond, matrix_norm, matrix_rank, norm, vector_norm
from adjoint.ops.linalg.parts import cross, diagonal, trace
from adjoint.ops.linalg.powers import expm, matrix_power
from adjoint.ops.linalg.qr import QRResult, qr
from adjoint.ops.linalg.solve import inv, solve, tensorinv, tensorsolve
from adjoint.ops.linalg.svd import SVDResult, svd, svdvals
from adjoint.ops.linalg.triangular import cholesky, triangular_solve
from adjoint.ops.products import multi_dot, outer, tensordot, vecdot

__all__ = [
    "EigResult",
    "EighResult",
    "LstsqResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "triangular_solve",
    "vecdot",
    "vector_norm",
]
