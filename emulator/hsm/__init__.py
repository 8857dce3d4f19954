"""The HSM's tools for people: who answers a command, how a command is written down, which test keys are published."""
