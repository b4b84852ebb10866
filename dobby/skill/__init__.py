"""What a skill is made of: the decorators, the driver's contract, the loader."""
