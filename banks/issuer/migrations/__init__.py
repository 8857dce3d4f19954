"""Migrations of the issuer's store; the environment is `node.migrate`'s."""
