"""The composition root: which nodes there are, how they are joined, and the commands that people type."""
