"""Optimizers and schedules: from parameters and gradients to new parameters."""

from adjoint.optim import schedule as schedule
from adjoint.optim.accumulation import Accumulation as Accumulation
from adjoint.optim.adam import Adam as Adam, AdamW as AdamW
from adjoint.optim.adam_kin import Adamax as Adamax, NAdam as NAdam, RAdam as RAdam
from adjoint.optim.adaptive import Adadelta as Adadelta, Adagrad as Adagrad, RMSprop as RMSprop
from adjoint.optim.averaged import ASGD as ASGD
from adjoint.optim.clipping import (
    clip_grad_norm_ as clip_grad_norm_,
    clip_grad_value_ as clip_grad_value_,
    grad_norm as grad_norm,
)
from adjoint.optim.group import ParamGroup as ParamGroup
from adjoint.optim.lbfgs import LBFGS as LBFGS
from adjoint.optim.moving_average import ExponentialMovingAverage as ExponentialMovingAverage
from adjoint.optim.muon import Muon as Muon, orthogonalized as orthogonalized
from adjoint.optim.optimizer import Optimizer as Optimizer
from adjoint.optim.sgd import SGD as SGD
from adjoint.optim.signs import Lion as Lion, Rprop as Rprop
