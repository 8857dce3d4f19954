"""The words for codes, as tables: one line a code. See `iso.meanings` for where they come from."""

from __future__ import annotations

__all__ = [
    "ACCOUNTS",
    "ACTIONS_1993",
    "ACTIONS_2003",
    "AMOUNTS",
    "CONDITIONS",
    "ENTRY_MODES",
    "FUNCTIONS_1993",
    "NETWORK_CODES",
    "PIN_CAPABILITY",
    "POS_1993",
    "PROCESSING",
    "RESPONSES",
    "RESPONSES_BASE1",
]


def _table(text: str) -> dict[str, str]:
    rows = (line.partition(" ") for line in text.strip().split("\n"))
    return {code: words for code, _, words in rows}


PROCESSING = _table("""
00 purchase
01 cash withdrawal
02 debit adjustment
09 purchase with cashback
20 refund
21 deposit
22 credit adjustment
30 available funds inquiry
31 balance inquiry
38 mini-statement
39 linked accounts
40 transfer
50 bill payment
60 pre-authorisation
61 pre-authorisation completion
90 place hold
91 remove hold
92 PIN change
""")
"""DE 3, first two digits. 31 is the balance inquiry and 38 the mini-statement, as most lists have it."""

ACCOUNTS = _table("""
00 default account
10 savings
20 cheque or current
30 credit
40 universal
50 investment
60 electronic purse
""")
"""Account types, in DE 3 and DE 54."""

AMOUNTS = _table("""
01 ledger balance
02 available balance
40 cashback
57 original amount
58 authorised amount
""")
"""Amount types in DE 54."""

ENTRY_MODES = _table("""
00 unknown
01 manual
02 magnetic stripe
03 barcode
04 optical character reading
05 chip
06 contactless chip, mapping service
07 contactless chip
09 e-commerce with cryptogram
10 credential on file
51 chip and PIN at ATM
71 chip and PIN at ATM
79 fallback from chip, manual
80 fallback from chip, magnetic stripe
81 e-commerce
82 server initiated
90 magnetic stripe, complete
91 contactless magnetic stripe
95 chip, card check value unreliable
""")
"""DE 22 of 1987, first two digits."""

PIN_CAPABILITY = _table("""
0 PIN capability unknown
1 PIN entry possible
2 no PIN entry
3 software PIN entry
8 PIN pad out of order
""")
"""DE 22 of 1987, third digit."""

CONDITIONS = _table("""
00 normal
01 customer not present
02 unattended terminal
03 merchant suspicious
05 customer present, card not present
06 pre-authorised
08 mail or telephone order
10 identity verified
11 suspected fraud
12 security reasons
27 unattended terminal, cannot retain
51 account verification
59 e-commerce
71 card present, stripe unreadable
73 recurring
""")
"""DE 25 of 1987. Networks differ: 59 is "deferred billing" in some, 51 is one network's own."""

RESPONSES = _table("""
00 approved
01 refer to issuer
02 refer to issuer, special
03 invalid merchant
04 pick up card
05 do not honour
06 error
07 pick up card, special
08 approved, honour with identification
09 request in progress
10 approved, partial amount
11 approved, VIP
12 invalid transaction
13 invalid amount
14 invalid card number
15 no such issuer
16 approved, update track 3
17 customer cancellation
18 customer dispute
19 re-enter transaction
20 invalid response
21 no action taken
22 suspected malfunction
23 unacceptable fee
24 file update not supported
25 unable to locate record
26 duplicate record
27 file update edit error
28 file locked
29 file update failed
30 format error
31 bank not supported
32 completed partially
33 expired card, pick up
34 suspected fraud, pick up
35 contact acquirer, pick up
36 restricted card, pick up
37 call acquirer security, pick up
38 PIN tries exceeded, pick up
39 no credit account
40 function not supported
41 lost card
42 no universal account
43 stolen card
44 no investment account
51 insufficient funds
52 no cheque account
53 no savings account
54 expired card
55 incorrect PIN
56 no card record
57 not permitted to cardholder
58 not permitted to terminal
59 suspected fraud
60 contact acquirer
61 exceeds amount limit
62 restricted card
63 security violation
64 original amount incorrect
65 exceeds frequency limit
66 call acquirer security
67 hard capture
68 response received too late
69 advice received too late
75 PIN tries exceeded
90 cut-off in progress
91 issuer or switch inoperative
92 routing error
93 violation of law
94 duplicate transaction
95 reconcile error
96 system malfunction
98 exceeds cash limit
N7 card verification value refused
""")
"""DE 39 of 1987. N7 is private; the house writes it for a refused CVV2."""

RESPONSES_BASE1 = _table("""
76 unable to locate previous message
78 blocked, first use
80 network error
82 negative card verification result
85 no reason to decline
""")
"""What one network adds to DE 39 (general knowledge)."""

NETWORK_CODES = _table("""
001 sign-on
002 sign-off
101 key change
161 session key change
162 new key
201 cutover
301 echo test
""")
"""DE 70 of 1987."""

ACTIONS_1993 = _table("""
000 approved
001 approved, honour with identification
002 approved, partial amount
003 approved, VIP
100 do not honour
101 expired card
102 suspected fraud
103 contact acquirer
104 restricted card
106 PIN tries exceeded
107 refer to issuer
108 refer to issuer, special
109 invalid merchant
110 invalid amount
111 invalid card number
115 function not supported
116 insufficient funds
117 incorrect PIN
118 no card record
119 not permitted to cardholder
120 not permitted to terminal
121 exceeds amount limit
122 security violation
123 exceeds frequency limit
124 violation of law
125 card not effective
200 do not honour, pick up
201 expired card, pick up
202 suspected fraud, pick up
203 contact acquirer, pick up
204 restricted card, pick up
206 PIN tries exceeded, pick up
207 special conditions, pick up
208 lost card
209 stolen card
400 reversal accepted
500 reconciled, in balance
501 reconciled, out of balance
800 network message accepted
902 invalid transaction
903 re-enter transaction
904 format error
906 cut-off in progress
907 issuer or switch inoperative
908 destination not found
909 system malfunction
911 issuer timed out
912 issuer unavailable
913 duplicate transaction
914 original not found
915 reversal amount greater than original
916 MAC incorrect
920 PIN error
923 request in progress
""")
"""DE 39 of 1993."""

ACTIONS_2003 = _table("""
0000 approved
""")
"""DE 39 of 2003 (general knowledge): four digits; no public list was seen."""

FUNCTIONS_1993 = _table("""
100 authorisation, exact amount
101 authorisation, estimated amount
106 authorisation, supplementary
200 financial, first request
201 financial, amount as authorised
202 financial, amount differs from authorised
400 reversal, full
401 reversal, partial
801 sign-on
802 sign-off
811 key change
821 cutover
831 echo test
""")
"""DE 24 of 1993 and 2003 (2xx, 4xx: general knowledge)."""

_INPUT = {
    "0": "unspecified",
    "1": "manual",
    "2": "magnetic stripe",
    "3": "barcode",
    "4": "optical character reading",
    "5": "chip",
    "6": "key entry",
}

POS_1993: dict[int, tuple[str, dict[str, str]]] = {
    0: ("terminal reads", _INPUT),
    3: (
        "terminal",
        {
            "0": "none",
            "1": "on acquirer's premises, attended",
            "2": "on acquirer's premises, unattended",
            "3": "off premises, attended",
            "4": "off premises, unattended",
            "5": "at cardholder's premises",
        },
    ),
    4: (
        "cardholder",
        {
            "0": "present",
            "1": "not present",
            "2": "not present, mail order",
            "3": "not present, telephone",
            "4": "not present, standing order",
            "5": "not present, e-commerce",
        },
    ),
    5: ("card", {"0": "not present", "1": "present"}),
    6: ("card data by", _INPUT),
    7: (
        "cardholder authenticated by",
        {"0": "nothing", "1": "PIN", "2": "electronic signature", "5": "manual signature", "6": "other manual check"},
    ),
}
"""DE 22 of 1993, by position (general knowledge)."""
