"""The go/no-go: whether a regularised config may take the place of its twin without a regulariser."""
