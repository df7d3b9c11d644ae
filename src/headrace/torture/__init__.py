"""`headrace torture`: a scratch installation is killed, cut off and lied to, and what it promised is checked."""
