"""The forge: what trains and publishes, beside the gateway, which knows nothing of it."""
