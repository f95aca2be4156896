"""What a run is: its plan, its samples, its folder, its schema."""
