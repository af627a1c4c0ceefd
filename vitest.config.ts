import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  // esbuild (vite 7) lowers standard decorators; without a target it passes them through and Node refuses them.
  // Names are kept, for a function declared in a test's scope would be renamed, and its stage's id with it.
  esbuild: { target: 'node20', keepNames: true },
  resolve: {
    alias: [
      { find: /^curio\/cachers$/, replacement: here('./cachers/index.ts') },
      { find: /^curio$/, replacement: here('./src/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    passWithNoTests: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
})
