"""Which versions go together, by what the tests have reported: documents, the matrix made of them, and its page."""
