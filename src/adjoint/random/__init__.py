"""Random numbers: counter-based, so that the same seed gives the same bits everywhere.

Names and arguments are those of NumPy's generators, as functions; each takes `generator=`.
"""

from adjoint.random.continuous import exponential as exponential
from adjoint.random.continuous import gumbel as gumbel
from adjoint.random.continuous import laplace as laplace
from adjoint.random.continuous import normal as normal
from adjoint.random.continuous import truncated_normal as truncated_normal
from adjoint.random.continuous import uniform as uniform
from adjoint.random.discrete import bernoulli as bernoulli
from adjoint.random.discrete import bits as bits
from adjoint.random.discrete import categorical as categorical
from adjoint.random.discrete import choice as choice
from adjoint.random.discrete import dropout_mask as dropout_mask
from adjoint.random.discrete import integers as integers
from adjoint.random.discrete import permutation as permutation
from adjoint.random.discrete import poisson as poisson
from adjoint.random.discrete import randint as randint
from adjoint.random.discrete import shuffle as shuffle
from adjoint.random.gamma_family import beta as beta
from adjoint.random.gamma_family import dirichlet as dirichlet
from adjoint.random.gamma_family import gamma as gamma
from adjoint.random.generator import Generator as Generator
from adjoint.random.generator import default_generator as default_generator
from adjoint.random.generator import seed as seed
