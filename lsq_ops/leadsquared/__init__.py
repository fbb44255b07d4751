"""LeadSquared's REST API, version 2, as far as this portal needs it. Knows no framework, and nothing of the
portal."""
