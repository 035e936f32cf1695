"""What is measured: each function prepares, in the process of its own, and returns what is then timed."""
