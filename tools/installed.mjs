// Exit code 0 when node_modules holds what package-lock.json asks for. It compares versions with npm's own record of what it
// installed, so a checkout where somebody ran `npm install` by hand is not installed anew.
import { existsSync, readFileSync } from 'node:fs';

function packagesOf(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

function isInstalled() {
  if (!existsSync('node_modules/.package-lock.json') || !existsSync('node_modules/.bin/node')) return false;
  const installed = packagesOf('node_modules/.package-lock.json');
  return Object.entries(packagesOf('package-lock.json')).every(([path, wanted]) => {
    const found = installed[path];
    // Packages for other platforms are left out by npm; workspaces themselves (no node_modules in their path) are only linked.
    if (found === undefined) return wanted.optional === true || !path.includes('node_modules/');
    return found.version === wanted.version;
  });
}

process.exit(isInstalled() ? 0 : 1);
