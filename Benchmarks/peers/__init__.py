"""What Flowstate is measured beside, and the programs that ask it: one module each."""
