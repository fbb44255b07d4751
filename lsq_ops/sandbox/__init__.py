"""A LeadSquared stand-in with fault switches. Needs neither Django nor the rest of the portal."""

SANDBOX_ACCESS_KEY = "u$rsandbox0access"
SANDBOX_SECRET_KEY = "sandbox0secret"  # noqa: S105  (made up, opens nothing)  # nosec B105 # made up, opens nothing
SANDBOX_KEYS = (SANDBOX_ACCESS_KEY, SANDBOX_SECRET_KEY)
