"""What a slot allows: the security settings that an operator would make at the console."""

from typing import NamedTuple


class Policy(NamedTuple):
    """Security settings of one slot.

    Attributes
    ----------
    authorised
        Whether the slot is in the authorised state: clear PINs and the right value beside "01" come out only then.
    check_value
        str[16] that NC answers instead of the LMK's own; "" for the LMK's own.
    pci_pin
        PIN blocks are translated only as PCI PIN allows: between formats 0, 3 and 4, into them from 1, and never
        with another account number; and only these three are verified, kept or made.
    single_length
        Whether single-length DES keys may be used.
    encrypted_tables
        Whether decimalisation tables travel encrypted under the LMK.
    strict_tables
        Whether a decimalisation table needs eight different digits, none more often than four times.
    pin_length_min, pin_length_max
        Digits, 4 to 12.
    aes_check_ecb
        Check values of AES keys by the legacy way (an encrypted zero block) instead of CMAC.
    commands_disabled
        Command codes answered "68".
    formats_disabled
        PIN block format codes answered "69".
    """

    authorised: bool = False
    check_value: str = ""
    pci_pin: bool = True
    single_length: bool = False
    encrypted_tables: bool = False
    strict_tables: bool = True
    pin_length_min: int = 4
    pin_length_max: int = 12
    aes_check_ecb: bool = False
    commands_disabled: frozenset[str] = frozenset()
    formats_disabled: frozenset[str] = frozenset()


OPEN_POLICY = Policy(
    authorised=True,
    check_value="",
    pci_pin=False,
    single_length=True,
    strict_tables=False,
)
"""Settings of the open port under the public test LMKs: everything works, because nothing there is secret."""
