"""The gateway: a Stripe-compatible REST face in front of ISO 8583.

It turns a checkout into an authorisation request and the answer into a payment's state. Card numbers and CVCs pass
through it once, on their way to the HSM; it never stores, logs or answers one.
"""
