#!/usr/bin/env -S node --max-semi-space-size=8
// Node sets up to 64 MB aside for short-lived objects; with a quarter of it the proxy is as fast. Later, from the
// program, the limit cannot be set.
// npm links a bin only if its file is there at install time; dist/ is not yet.
import '../dist/bin.js';
