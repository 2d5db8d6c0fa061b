import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      '.nx/**',
      '**/.venv/**',
      'data/**',
      '**/*.js',
      '**/static/**/*.js',
    ],
  },
  ...tseslint.configs.recommendedTypeChecked,
  {
    files: ['**/*.ts'],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          allow: [],
          enforceBuildableLibDependency: false,
          depConstraints: [
            // Packages stand alone: what one needs of another is passed in by apps/container.
            { sourceTag: 'type:lib', onlyDependOnLibsWithTags: [] },
            { sourceTag: 'type:app', onlyDependOnLibsWithTags: ['type:lib'] },
            { sourceTag: 'type:e2e', onlyDependOnLibsWithTags: ['type:lib', 'type:app'] },
          ],
        },
      ],
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/require-await': 'off',
      'no-restricted-properties': [
        'error',
        {
          object: 'process',
          property: 'env',
          message: 'Only config.ts of apps/container and bin.ts of a package read the environment.',
        },
        { object: 'process', property: 'exit', message: 'Only bin.ts and the app end the process.' },
      ],
    },
  },
  {
    // Tests may use the emulator as their Stripe; nothing else of another package.
    files: ['**/*.test.ts', '**/test/**/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          allow: ['@datasette-stripe/stripe-emulator'],
          enforceBuildableLibDependency: false,
          depConstraints: [
            { sourceTag: 'type:lib', onlyDependOnLibsWithTags: [] },
            { sourceTag: 'type:app', onlyDependOnLibsWithTags: ['type:lib'] },
            { sourceTag: 'type:e2e', onlyDependOnLibsWithTags: ['type:lib', 'type:app'] },
          ],
        },
      ],
      'no-restricted-properties': 'off',
    },
  },
  {
    files: [
      '**/bin.ts',
      'apps/container/src/config.ts',
      'apps/container/src/main.ts',
      'e2e/**',
      'bench/**',
      'tools/**',
    ],
    rules: { 'no-restricted-properties': 'off' },
  },
  { files: ['**/*.mjs', '**/vitest.config.ts'], extends: [tseslint.configs.disableTypeChecked] },
);
