"""What differs between versions of PostgreSQL, pgpool-II and the distributions: data, and questions to it."""
