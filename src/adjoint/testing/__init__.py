"""Tools to test derivatives with: those of the library, and your own."""

from adjoint.testing.gradcheck import check_grads as check_grads
from adjoint.testing.report import (
    GradientMismatch as GradientMismatch,
    GradientReport as GradientReport,
)
