"""Training as the command does it: a table, a small network, a loop; nothing is hidden.

The three roles stay apart: `network` computes the loss, the library's backward pass the gradients,
`optimizer` alone moves the weights. `loop` calls them in turn and takes the time of each.
"""

from adjoint.train.loop import Run as Run
from adjoint.train.loop import Settings as Settings
from adjoint.train.loop import TrainingError as TrainingError
from adjoint.train.loop import fit as fit
from adjoint.train.loop import prepare as prepare
from adjoint.train.save import save as save
from adjoint.train.table import Table as Table
from adjoint.train.table import TableError as TableError
from adjoint.train.table import digits as digits
from adjoint.train.table import read_csv as read_csv
