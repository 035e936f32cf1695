"""Random histories: a model portal and Uptake side by side, and what must hold after every step."""
