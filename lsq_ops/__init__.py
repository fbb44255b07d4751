"""LSQ Ops: deletions in LeadSquared that are asked for, approved, carried out and proven."""

__version__ = "0.1.0"
