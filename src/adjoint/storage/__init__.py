"""Trees of arrays on disk: safetensors, written whole or not at all; nothing in a file is run.

`save` and `load` are also `adjoint.save` and `adjoint.load`.
"""

from adjoint.storage.atomic import SaveError as SaveError, write_atomically as write_atomically
from adjoint.storage.files import load as load, read_metadata as read_metadata, save as save
from adjoint.storage.layout import FormatError as FormatError

__all__ = ["FormatError", "SaveError", "load", "read_metadata", "save", "write_atomically"]
