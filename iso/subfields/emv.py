"""The chip's data objects that messages carry: tag to name, and which of them are secret.

Source: EMV Book 3 annex A as commonly published in lists of tags; the document was not read.
"""

from __future__ import annotations

__all__ = ["EMV_AMOUNTS", "EMV_NAMES", "EMV_SECRETS"]

_ROWS = """
42 Issuer identification number
4F Application identifier (card)
50 Application label
56 Track 1 data
57 Track 2 equivalent data
5A Application PAN
5F20 Cardholder name
5F24 Application expiry date
5F25 Application effective date
5F28 Issuer country code
5F2A Transaction currency code
5F2D Language preference
5F30 Service code
5F34 PAN sequence number
61 Application template
6F File control information
70 Record template
71 Issuer script template 1
72 Issuer script template 2
77 Response template 2
80 Response template 1
81 Amount, authorised (binary)
82 Application interchange profile
84 Dedicated file name
86 Issuer script command
87 Application priority
89 Authorisation code
8A Authorisation response code
8C CDOL 1
8D CDOL 2
8E Cardholder verification method list
8F Certification authority public key index
91 Issuer authentication data
94 Application file locator
95 Terminal verification results
99 Transaction PIN data
9A Transaction date
9B Transaction status information
9C Transaction type
9F01 Acquirer id
9F02 Amount, authorised
9F03 Amount, other
9F06 Application identifier (terminal)
9F07 Application usage control
9F08 Application version (card)
9F09 Application version (terminal)
9F0B Cardholder name, extended
9F0D Issuer action code, default
9F0E Issuer action code, denial
9F0F Issuer action code, online
9F10 Issuer application data
9F11 Issuer code table index
9F12 Application preferred name
9F15 Merchant category code
9F16 Merchant id
9F18 Issuer script id
9F1A Terminal country code
9F1B Terminal floor limit
9F1C Terminal id
9F1E Interface device serial number
9F1F Track 1 discretionary data
9F20 Track 2 discretionary data
9F21 Transaction time
9F26 Application cryptogram
9F27 Cryptogram information data
9F33 Terminal capabilities
9F34 Cardholder verification method results
9F35 Terminal type
9F36 Application transaction counter
9F37 Unpredictable number
9F39 POS entry mode
9F40 Terminal capabilities, additional
9F41 Transaction sequence counter
9F45 Data authentication code
9F4C ICC dynamic number
9F4E Merchant name and location
9F53 Transaction category code
9F5B Issuer script results
9F66 Terminal transaction qualifiers
9F6B Track 2 data, contactless
9F6C Card transaction qualifiers
9F6E Form factor indicator
9F7C Customer exclusive data
A5 Proprietary template of the FCI
BF0C Issuer discretionary data of the FCI
"""

EMV_NAMES = {tag: name for tag, _, name in (row.partition(" ") for row in _ROWS.strip().split("\n"))}
"""Tag, upper-case hexadecimal, to name."""

EMV_SECRETS = frozenset({"56", "57", "5A", "5F20", "5F24", "99", "9F0B", "9F1F", "9F20", "9F6B"})
"""Tags that hold a card number, a track, a name, an expiry date or a PIN: never shown."""

EMV_AMOUNTS = frozenset({"9F02", "9F03"})
"""Tags that hold an amount in minor units as twelve packed digits."""
