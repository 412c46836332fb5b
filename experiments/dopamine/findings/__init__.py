"""The findings, one file each: `FINDING` says what was recorded and what decides whether it is shown."""
