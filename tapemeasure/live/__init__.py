"""What runs while audio comes in: meters that take blocks of any size and always read the same."""
