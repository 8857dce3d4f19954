"""Straight-line handlers: one conversation each, read from top to bottom.

They await only ports (store, HSM, the acquirer's link) and import no event loop: the web server runs them, and a test
steps them by hand.
"""
