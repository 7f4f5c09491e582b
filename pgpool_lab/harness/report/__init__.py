"""The report of recorded runs: one self-contained HTML page."""
