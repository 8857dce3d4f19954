"""Card cryptography against published values and against independent implementations."""
