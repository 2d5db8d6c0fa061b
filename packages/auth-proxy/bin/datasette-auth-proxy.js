#!/usr/bin/env -S node --max-semi-space-size=16
// npm links a bin only if its file is there at install time; dist/ is not yet. The flag keeps a busy proxy below
// 150 MB: by default Node sets up to 96 MB aside for short-lived objects.
import '../dist/bin.js';
