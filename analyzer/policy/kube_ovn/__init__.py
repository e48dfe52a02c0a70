"""What belongs to Kube-OVN."""
