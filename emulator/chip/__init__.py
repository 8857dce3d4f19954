"""Test cards and the terminal that reads them, in software: the print, the stripe, the chip."""
