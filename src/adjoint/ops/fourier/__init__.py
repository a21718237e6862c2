"""Discrete Fourier transforms: of complex and of real values, and the grids that belong to them."""
