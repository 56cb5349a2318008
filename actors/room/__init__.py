"""One room: its members and who hears whom."""
