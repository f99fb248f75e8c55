"""The go/no-go: whether a regularised config may replace its twin, the same config without a regulariser."""
