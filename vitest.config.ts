import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { compileCache } from './test/support/compile-cache.ts'

// What one process has compiled of our dependencies the next need not.
process.env.NODE_COMPILE_CACHE ??= compileCache.NODE_COMPILE_CACHE

// Tests start real servers, so they run in processes and not in threads. The machines that we test on have two cores, and
// every second file waits for something rather than works. A process runs file after file: to load the program anew for
// each takes longer than most of them do, and no file leaves anything behind.
export default defineConfig({
  // Vite would take graphql's development build, and Pothos the other one: two realms that refuse each other's schemas.
  resolve: { alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve('graphql')) }] },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    isolate: false,
    maxWorkers: 4,
    // Beside others on a busy machine a wait can be too short: what fails twice is a fault.
    retry: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
