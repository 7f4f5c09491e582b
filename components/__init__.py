"""The lab's ComponentResources, one concern each."""
