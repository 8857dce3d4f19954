"""Card cryptography as pure functions of bytes and digits: no key handles, no permissions, no wire formats."""
