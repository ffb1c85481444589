"""What the vector files are made from: one module for each folder of tests/vectors."""
