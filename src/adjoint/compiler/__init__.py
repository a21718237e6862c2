"""Compiled functions: staging with state, the cache, the plan and the report."""
