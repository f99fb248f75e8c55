"""The sources of micrographs; a module is named as the value of `data.source`."""
