"""What policies of Amazon's VPC CNI refer to: security groups."""
