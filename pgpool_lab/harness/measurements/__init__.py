"""Series of runs that are kept as evidence: which scenarios, how often, and the documents that they leave."""
