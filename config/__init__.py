"""What may be chosen: settings from the environment, the uptake.toml file, logging."""
