import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { succeed } from './command.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The image under test. */
    image: string;
  }
}

const root = path.join(import.meta.dirname, '../../..');

/** Builds the image once for all specs, as `docker build .` does. E2E_IMAGE names one that is built already. */
export default async function setup(project: TestProject): Promise<void> {
  const built = process.env.E2E_IMAGE;
  if (built !== undefined && built !== '') {
    project.provide('image', built);
    return;
  }
  const image = 'datasette-stripe:e2e';
  const start = Date.now();
  // The host's network: a build needs package registries, and not every engine's bridge leads to them.
  await succeed('docker', ['build', '--network', 'host', '--tag', image, '.'], {
    cwd: root,
    timeoutMs: 900_000,
  });
  const bytes = Number(await succeed('docker', ['image', 'inspect', '--format', '{{.Size}}', image]));
  const seconds = Math.round((Date.now() - start) / 1000);
  console.log(`image: built in ${seconds} s, ${Math.round(bytes / 1e6)} MB`);
  project.provide('image', image);
}
