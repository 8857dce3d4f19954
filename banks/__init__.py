"""Acquirer and issuer hosts: two banks that meet only on the wire, and the ledger that an issuer keeps."""
