"""What it means: the pure core, and how we speak to the world."""
