"""Open vSwitch: its flows, actions and ports, for one packet."""
