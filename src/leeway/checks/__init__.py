"""Numbers in, one of three answers out; and what the policy makes of them."""
