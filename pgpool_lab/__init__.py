"""The package behind the `lab` launcher."""
