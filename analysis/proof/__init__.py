"""The proof of a winner over fresh seeds: statistics, verdict, evaluation on the test split, ledger and card."""
