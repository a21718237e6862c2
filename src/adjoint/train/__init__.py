"""Training as the command does it: a table, a small network, a loop; nothing is hidden.

The three roles stay apart: `network` computes the loss, the library's backward pass the gradients,
`optimizer` alone moves the weights. `loop` calls them in turn and takes the time of each.
"""

from adjoint.train.loop import (
    Run as Run,
    Settings as Settings,
    TrainingError as TrainingError,
    fit as fit,
    prepare as prepare,
)
from adjoint.train.save import save as save
from adjoint.train.table import (
    Table as Table,
    TableError as TableError,
    digits as digits,
    read_csv as read_csv,
)
