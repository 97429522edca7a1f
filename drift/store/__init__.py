"""Everything of ours that is in Postgres, and the only SQL of ours."""
