// The auth proxy with its cache, wired as the container wires it, before one Datasette or several: node site-proxy.ts FILE UPSTREAM…
// CACHE=0: without the cache.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { createAuthProxy, staticCredentials } from '@datasette-stripe/auth-proxy';

/** The container's own choice of what is kept and its look at the data's version; an app is no library to import from. */
interface Container {
  readonly isForAnyDatasette: (target: string) => boolean;
  readonly isCacheable: (target: string) => boolean;
  readonly openMirror: (file: string) => { dataVersion(): number | undefined };
}

const [file = '', ...upstream] = process.argv.slice(2);
const source = resolve(import.meta.dirname, '../../apps/container/src');
const { isForAnyDatasette } = (await import(join(source, 'datasette.ts'))) as Container;
const { isCacheable } = (await import(join(source, 'cacheable.ts'))) as Container;
const { openMirror } = (await import(join(source, 'mirror.ts'))) as Container;
const mirror = openMirror(file);
const proxy = createAuthProxy({
  upstream,
  balanced: isForAnyDatasette,
  authenticators: [staticCredentials([{ password: process.env['TOKEN'] ?? '' }])],
  ...(process.env['CACHE'] === '0'
    ? {}
    : { cache: { dataVersion: () => mirror.dataVersion(), cacheable: isCacheable } }),
});
const server = createServer(proxy.handler);
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  console.log(`running on http://127.0.0.1:${port}`);
});
