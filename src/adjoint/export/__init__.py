"""Networks written for other programs: ONNX."""
