"""The issuer host: cards, accounts and the decision to hold a cardholder's money."""
