"""The nodes' base image: what goes into it, and how it is built."""
