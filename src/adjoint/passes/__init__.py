"""Passes: from a graph to a better graph of the same meaning."""
