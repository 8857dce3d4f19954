"""Migrations of the acquirer's store; the environment is `node.migrate`'s."""
