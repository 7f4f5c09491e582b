"""Proving failovers on a running lab; it knows the stack's outputs and nothing else."""
