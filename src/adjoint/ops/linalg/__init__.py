"""Linear algebra: decompositions, solvers, determinants, norms, and the words their rules share."""
