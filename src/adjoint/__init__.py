"""Adjoint: backpropagation that you can see through."""

from adjoint.ops.arithmetic import add as add
from adjoint.ops.arithmetic import divide as divide
from adjoint.ops.arithmetic import multiply as multiply
from adjoint.ops.arithmetic import negative as negative
from adjoint.ops.arithmetic import subtract as subtract
from adjoint.tensor import Tensor as Tensor
from adjoint.tensor import asarray as asarray
from adjoint.tensor import tensor as tensor
