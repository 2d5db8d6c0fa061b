import { defineConfig } from 'vitest/config';

/** Containers and browsers share two cores with everything else: one file at a time, and patience. */
const slow = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 300_000 };

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'packed', include: ['src/packed/*.test.ts'], root: import.meta.dirname, ...slow } },
      {
        test: {
          name: 'browser',
          include: ['src/browser/*.test.ts'],
          root: import.meta.dirname,
          globalSetup: 'src/support/demo-setup.ts',
          ...slow,
        },
      },
      {
        test: {
          name: 'image',
          include: ['src/image/*.test.ts'],
          root: import.meta.dirname,
          globalSetup: 'src/support/build-image.ts',
          ...slow,
        },
      },
    ],
  },
});
