"""The infrastructure: settings, one component, one module per AWS concept."""
