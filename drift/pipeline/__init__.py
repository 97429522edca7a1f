"""The arrows of the house, in order: intake, measure, settle, deliver. Each runs in one transaction."""
