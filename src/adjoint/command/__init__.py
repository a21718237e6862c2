"""The command `adjoint`: what the library does, from a terminal."""

from adjoint.command.app import app as app, main as main
