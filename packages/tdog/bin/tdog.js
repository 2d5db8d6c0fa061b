#!/usr/bin/env -S node --max-semi-space-size=8
// Node sets up to 96 MB aside for short-lived objects; a quarter of it does, and cannot be set later.
// Plain JavaScript: npm links a bin only if its file is there at install time (dist/ is not yet), and a Node that is too old
// is to get one line instead of a stack trace.
import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const needed = manifest.engines.node.replace('>=', '');
const [major, minor] = process.versions.node.split('.').map(Number);
const [neededMajor, neededMinor] = needed.split('.').map(Number);

if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  console.error(`tdog: needs Node.js ${needed} or newer; this is ${process.versions.node}.`);
  process.exitCode = 2;
} else {
  await import('../dist/bin.js');
}
