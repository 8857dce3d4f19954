"""The elements' names, what they are by version, and which of them are secret.

Formats and names are common practice (public packager declarations and message tables); the standard itself is a paid
document and was not read. A dialect starts from one of these tables and may replace any row.
"""

from __future__ import annotations

from iso.formats import ElementRule, parse_rule

__all__ = ["HIDDEN_ELEMENTS", "MAC_ELEMENTS", "NAMES", "RULES", "TEXT_ELEMENTS"]

MAC_ELEMENTS = (64, 128)
"""The MAC is the last element: 64, or 128 where anything above 64 is present."""

HIDDEN_ELEMENTS = frozenset({14, 34, 35, 36, 45, 52, 55, 96, 125})
"""Never shown: expiry, tracks, PIN block, chip data, key data. DE 2 is shown 6+4 and DE 48 without tags 01 and 05."""

TEXT_ELEMENTS = frozenset({43, 44, 46, 47, 54, *range(58, 64), 98, *range(101, 125), 126, 127})
"""Free text of both versions: shown after masking whatever looks like a card number."""

_SHARED = """
2 n..19 Primary account number
3 n6 Processing code
4 n12 Amount, transaction
5 n12 Amount, settlement
6 n12 Amount, cardholder billing
7 n10 Transmission date and time
8 n8 Amount, cardholder billing fee
9 n8 Conversion rate, settlement
10 n8 Conversion rate, cardholder billing
11 n6 System trace audit number (STAN)
14 n4 Expiry date
16 n4 Date, conversion
17 n4 Date, capture
19 n3 Country code, acquirer
20 n3 Country code, PAN
21 n3 Country code, forwarder
23 n3 Card sequence number
32 n..11 Acquirer id
33 n..11 Forwarder id
34 n..28 PAN, extended
35 z..37 Track 2
36 z...104 Track 3
37 an12 Retrieval reference number (RRN)
38 an6 Authorisation code
41 ans8 Terminal id
42 ans15 Merchant id
45 ans..76 Track 1
47 ans...999 Additional data, national
48 ans...999 Additional data, private
52 b8 PIN block
54 ans...120 Additional amounts
55 b...999 Chip data
59 ans...999 Reserved, national
60 ans...999 Reserved, private 60
61 ans...999 Reserved, private 61
62 ans...999 Reserved, private 62
63 ans...999 Reserved, private 63
64 b8 MAC
74 n10 Credits, number
75 n10 Credits reversed, number
76 n10 Debits, number
77 n10 Debits reversed, number
78 n10 Transfers, number
79 n10 Transfers reversed, number
80 n10 Inquiries, number
81 n10 Authorisations, number
86 n16 Credits, amount
87 n16 Credits reversed, amount
88 n16 Debits, amount
89 n16 Debits reversed, amount
97 x+n17 Amount, net settlement
98 ans25 Payee
100 n..11 Receiver id
101 ans..17 File name
102 ans..28 Account id 1
103 ans..28 Account id 2
104 ans...100 Transaction description
112 ans...999 Reserved, national 112
113 ans...999 Reserved, national 113
114 ans...999 Reserved, national 114
115 ans...999 Reserved, national 115
116 ans...999 Reserved, national 116
117 ans...999 Reserved, national 117
118 ans...999 Reserved, national 118
119 ans...999 Reserved, national 119
120 ans...999 Reserved, private 120
121 ans...999 Reserved, private 121
122 ans...999 Reserved, private 122
123 ans...999 Reserved, private 123
124 ans...999 Reserved, private 124
125 ans...999 Key data, private
126 ans...999 Reserved, private 126
127 ans...999 Reserved, private 127
128 b8 MAC
"""

_ONLY_1987 = """
12 n6 Local time
13 n4 Local date
15 n4 Settlement date
18 n4 Merchant category code
22 n3 POS entry mode
24 n3 Network international id
25 n2 POS condition code
26 n2 PIN capture code
27 n1 Authorisation code length
28 x+n9 Fee, transaction
29 x+n9 Fee, settlement
30 x+n9 Fee, transaction processing
31 x+n9 Fee, settlement processing
39 an2 Response code
40 an3 Service restriction code
43 ans40 Merchant name and location
44 ans..25 Additional response data
46 ans...999 Additional data, ISO
49 n3 Currency, transaction
50 n3 Currency, settlement
51 n3 Currency, cardholder billing
53 n16 Security control
56 ans...999 Reserved, ISO
57 ans...999 Reserved, national 57
58 ans...999 Reserved, national 58
66 n1 Settlement code
67 n2 Extended payment code
68 n3 Country code, receiver
69 n3 Country code, settlement
70 n3 Network management code
71 n4 Message number
72 n4 Message number, last
73 n6 Date of action
82 n12 Credits, processing fee
83 n12 Credits, transaction fee
84 n12 Debits, processing fee
85 n12 Debits, transaction fee
90 n42 Original data elements
91 an1 File update code
92 an2 File security code
93 an5 Response indicator
94 an7 Service indicator
95 an42 Replacement amounts
96 b8 Message security code
99 n..11 Settlement institution id
105 ans...999 Reserved, ISO 105
106 ans...999 Reserved, ISO 106
107 ans...999 Reserved, ISO 107
108 ans...999 Reserved, ISO 108
109 ans...999 Reserved, ISO 109
110 ans...999 Reserved, ISO 110
111 ans...999 Reserved, ISO 111
"""

_ONLY_1993 = """
12 n12 Local date and time
13 n4 Effective date
15 n6 Settlement date
18 n...140 Message error indicator
22 an12 POS data code
24 n3 Function code
25 n4 Message reason code
26 n4 Merchant category code
27 n1 Authorisation code length
28 n6 Reconciliation date
29 n3 Reconciliation indicator
30 n24 Original amounts
31 ans..99 Acquirer reference data
39 n3 Action code
40 n3 Service code
43 ans..99 Merchant name and location
44 ans..99 Additional response data
46 ans...204 Fees
49 an3 Currency, transaction
50 an3 Currency, reconciliation
51 an3 Currency, cardholder billing
53 b..48 Security control
56 n..35 Original data elements
57 n3 Authorisation life cycle
58 n..11 Authorising institution id
66 ans...204 Original fees
67 n2 Extended payment data
68 n3 Country code, receiver
69 n3 Country code, settlement institution
70 n3 Country code, authorising institution
71 n8 Message number
72 ans...999 Data record
73 n6 Date of action
82 n10 Inquiries reversed, number
83 n10 Payments, number
84 n10 Payments reversed, number
85 n10 Fee collections, number
90 n10 Authorisations reversed, number
91 n3 Country code, destination
92 n3 Country code, originator
93 n..11 Destination id
94 n..11 Originator id
95 ans..99 Card issuer reference data
96 b...999 Key management data
99 an..11 Settlement institution id
105 n16 Credits, chargeback amount
106 n16 Debits, chargeback amount
107 n10 Credits, chargeback number
108 n10 Debits, chargeback number
109 ans..84 Credits, fee amounts
110 ans..84 Debits, fee amounts
111 ans...999 Reserved, ISO 111
"""


# Only what differs from 1993. ISO 8583:2003 changed lengths more than meanings; these are as open implementations use
# them (general knowledge: no packager declaration of this version was read).
_ONLY_2003 = """
3 an6 Processing code
4 n16 Amount, transaction
5 n16 Amount, reconciliation
6 n16 Amount, cardholder billing
8 n12 Amount, cardholder billing fee
11 n12 Systems trace audit number (STAN)
12 n14 Local date and time
13 n6 Effective date
15 n8 Settlement date
16 n4 Date, conversion
18 ans...140 Message error indicator
22 b16 POS data code
28 n8 Reconciliation date
30 n32 Original amounts
34 b...999 Electronic commerce data
39 n4 Action code
41 ans16 Terminal id
42 ans..35 Merchant id
43 ans...999 Merchant name and location
49 b...999 Verification data
54 ans...126 Additional amounts
56 n..41 Original data elements
"""


def _parse(*tables: str) -> tuple[dict[int, ElementRule], dict[int, str]]:
    rules: dict[int, ElementRule] = {}
    names: dict[int, str] = {}
    for line in "".join(tables).split("\n"):
        if line:
            number, rule, name = line.split(" ", 2)
            rules[int(number)] = parse_rule(rule)
            names[int(number)] = name
    return rules, names


_RULES_1987, _NAMES_1987 = _parse(_SHARED, _ONLY_1987)
_RULES_1993, _NAMES_1993 = _parse(_SHARED, _ONLY_1993)

_RULES_2003, _NAMES_2003 = _parse(_SHARED, _ONLY_1993, _ONLY_2003)

RULES = {"1987": _RULES_1987, "1993": _RULES_1993, "2003": _RULES_2003}
"""Element rules by version."""

NAMES = {"1987": _NAMES_1987, "1993": _NAMES_1993, "2003": _NAMES_2003}
"""Element names by version."""
