"""The acquirer host: merchants and terminals, and every authorisation between the gateway and the network."""
