#!/usr/bin/env node
// npm links a bin only if its file is there at install time; dist/ is not yet.
import '../dist/bin.js';
