"""Tests of the banks: ledger, issuer, acquirer."""
