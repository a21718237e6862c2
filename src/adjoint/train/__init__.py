"""Training: the loop with validation, metrics, checkpoints and exact resumption.

The three roles stay apart: the model and the loss are the forward pass, the library's backward pass
gives the gradients, the optimizer alone moves the weights. A step of all three is compiled as one.
"""

from adjoint.train.callbacks import Callback as Callback, EarlyStopping as EarlyStopping
from adjoint.train.checkpoint import Checkpoints as Checkpoints
from adjoint.train.errors import (
    CheckpointError as CheckpointError,
    Interrupted as Interrupted,
    TrainingError as TrainingError,
)
from adjoint.train.events import EventWriter as EventWriter
from adjoint.train.journal import read_lines as read_lines
from adjoint.train.loop import Result as Result
from adjoint.train.metrics import (
    R2 as R2,
    Accuracy as Accuracy,
    Mean as Mean,
    MeanAbsoluteError as MeanAbsoluteError,
    Metric as Metric,
    Perplexity as Perplexity,
    TopK as TopK,
)
from adjoint.train.trainer import Trainer as Trainer, fit as fit
