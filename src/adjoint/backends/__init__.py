"""Back ends: from graphs to machine code, or to NumPy."""
