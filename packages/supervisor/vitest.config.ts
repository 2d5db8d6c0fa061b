import { defineConfig } from 'vitest/config';

export default defineConfig({
  ssr: { resolve: { conditions: ['@datasette-stripe/source'] } },
  // Generous: on a busy machine a child takes seconds to start. Nothing waits for it when all is well.
  test: { include: ['src/**/*.test.ts', 'test/**/*.test.ts'], testTimeout: 60_000 },
});
