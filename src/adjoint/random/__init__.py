"""Random numbers: counter-based, so that the same seed gives the same bits everywhere.

Names and arguments are those of NumPy's generators, as functions; each takes `generator=`.
"""

from adjoint.random.continuous import (
    exponential as exponential,
    gumbel as gumbel,
    laplace as laplace,
    normal as normal,
    truncated_normal as truncated_normal,
    uniform as uniform,
)
from adjoint.random.discrete import (
    bernoulli as bernoulli,
    bits as bits,
    categorical as categorical,
    choice as choice,
    dropout_mask as dropout_mask,
    integers as integers,
    permutation as permutation,
    poisson as poisson,
    randint as randint,
    shuffle as shuffle,
)
from adjoint.random.gamma_family import beta as beta, dirichlet as dirichlet, gamma as gamma
from adjoint.random.generator import (
    Generator as Generator,
    default_generator as default_generator,
    seed as seed,
)
