"""Every setting: flag, environment variable and TOML key."""
