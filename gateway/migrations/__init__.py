"""Revisions of the gateway's store."""
