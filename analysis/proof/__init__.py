"""The proof of a winner: arms, seeds, statistics, the verdict, the ledger of the test split, and the card."""
