import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds the API. */
const api = process.env['SIMCLR_LAB_API'] ?? 'http://127.0.0.1:8765';

export default defineConfig({
  plugins: [svelte(), svelteTesting({ autoCleanup: false })],
  build: {
    target: ['chrome123', 'firefox121', 'safari17.5'], // the first with CSS light-dark()
    assetsInlineLimit: 0,
  },
  server: {
    proxy: {
      // The API answers only its own host and origin, so the proxy speaks in their name.
      '/api': { target: api, changeOrigin: true, headers: { origin: api } },
    },
  },
  test: {
    // All files of a project in one thread, where modules and jsdom are loaded once. `tests/setup.ts` takes away what a test left.
    pool: 'threads',
    maxWorkers: 1,
    isolate: false,
    restoreMocks: true,
    unstubGlobals: true,
    projects: [
      {
        extends: true,
        test: { name: 'logic', environment: 'node', include: ['tests/{lib,api}/**/*.test.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'page',
          environment: 'jsdom',
          environmentOptions: { jsdom: { url: 'http://127.0.0.1:8765/' } },
          include: ['tests/components/**/*.test.ts'],
          setupFiles: ['tests/setup.ts'],
        },
      },
    ],
  },
});
