"""Floor 1: the words everybody uses. It knows NumPy and no operation."""
