import type { TestProject } from 'vitest/node';
import { startNativeDemo } from './native.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The demo that all browser specs look at; they change nothing in it. */
    demo: { readonly url: string; readonly key: string };
  }
}

/** Starts the demo once for all files of the project. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const demo = await startNativeDemo();
  project.provide('demo', { url: demo.url, key: demo.key });
  return async () => demo[Symbol.asyncDispose]();
}
