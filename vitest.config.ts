import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Tests start real servers, so files run in separate processes, at most two at a time: the machines we test on have two cores.
export default defineConfig({
  // Vite would take graphql's development build, and Pothos the other one: two realms that refuse each other's schemas.
  resolve: { alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve('graphql')) }] },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
