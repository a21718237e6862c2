"""Schedules: how the learning rate changes from step to step."""

from adjoint.optim.schedule.base import Schedule as Schedule
from adjoint.optim.schedule.cosine import (
    CosineAnnealingLR as CosineAnnealingLR,
    CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts,
)
from adjoint.optim.schedule.decay import (
    ConstantLR as ConstantLR,
    ExponentialLR as ExponentialLR,
    LambdaLR as LambdaLR,
    LinearLR as LinearLR,
    MultiStepLR as MultiStepLR,
    PolynomialLR as PolynomialLR,
    StepLR as StepLR,
)
from adjoint.optim.schedule.one_cycle import OneCycleLR as OneCycleLR
from adjoint.optim.schedule.plateau import ReduceLROnPlateau as ReduceLROnPlateau
from adjoint.optim.schedule.sequence import SequentialLR as SequentialLR, WarmUp as WarmUp
