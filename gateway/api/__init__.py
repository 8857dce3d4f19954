"""The REST face: thin adapters between HTTP and the handlers."""
