"""Networks written for other programs: ONNX.

`onnx` traces a model and writes its graph in the operators of the ONNX standard.
"""

from adjoint.export.model import onnx as onnx
from adjoint.export.refusal import ExportError as ExportError

__all__ = ["ExportError", "onnx"]
