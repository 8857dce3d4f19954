"""The pure part of the banks: decisions, identities, numbers. No input, output, time or chance."""
