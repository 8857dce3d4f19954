"""The token vault: rows and shelf, keyring, domains, tokens, life cycle, upkeep. `tokens.Vault` is the whole."""

from hsm_sim.core.vault.cvv2 import CVV2_WAITS_S
from hsm_sim.core.vault.domain import UNRESTRICTED, Domain, Purchase
from hsm_sim.core.vault.keyring import Keyring
from hsm_sim.core.vault.numbers import TOKEN_BIN
from hsm_sim.core.vault.rows import (
    CARDS_TABLE,
    COUNTERS_TABLE,
    CRYPTOGRAMS_TABLE,
    REFERENCES_TABLE,
    CardRow,
    CounterRow,
    CryptogramRow,
    ReferenceRow,
    Shelf,
)
from hsm_sim.core.vault.settings import VaultSettings
from hsm_sim.core.vault.tokens import Opened, Proof, Stored, Vault
from hsm_sim.core.vault.upkeep import Rotation, Upkeep

__all__ = [
    "CARDS_TABLE",
    "COUNTERS_TABLE",
    "CRYPTOGRAMS_TABLE",
    "CVV2_WAITS_S",
    "REFERENCES_TABLE",
    "TOKEN_BIN",
    "UNRESTRICTED",
    "CardRow",
    "CounterRow",
    "CryptogramRow",
    "Domain",
    "Keyring",
    "Opened",
    "Proof",
    "Purchase",
    "ReferenceRow",
    "Rotation",
    "Shelf",
    "Stored",
    "Upkeep",
    "Vault",
    "VaultSettings",
]
