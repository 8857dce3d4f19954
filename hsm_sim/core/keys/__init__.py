"""Key handles and the ways in which keys are stored and carried: variant LMKs, key blocks, schemes."""
