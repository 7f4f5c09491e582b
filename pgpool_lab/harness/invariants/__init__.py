"""What must hold whatever fails: pure functions from what was recorded to what was violated."""
