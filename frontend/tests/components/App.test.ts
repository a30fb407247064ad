import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { beforeEach, expect, it, vi } from 'vitest';
import App from '../../src/App.svelte';
import { location } from '../../src/state/location.svelte';

/** A lab at the network's edge that knows one token. */
function lab(): string[] {
  let signedIn = false;
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (request: Request) => {
    const path = new URL(request.url).pathname;
    asked.push(`${request.method} ${path}`);
    if (path === '/api/session' && request.method === 'POST') {
      signedIn = ((await request.json()) as { token: string }).token === 'right';
      if (signedIn) return new Response(null, { status: 204 });
    }
    if (signedIn && path === '/api/datasets/sources') return Response.json({ published: [], folders: null });
    if (signedIn) return Response.json({ items: [] });
    return Response.json(
      { error: { code: 'wrong_token', message: "This is not the lab's token.", fields: [] } },
      { status: 401 },
    );
  });
  return asked;
}

beforeEach(() => location.go('/'));

it('signs in with the token of the link and takes it out of the address', async () => {
  lab();
  location.go('/data#token=right');
  render(App);
  expect(await screen.findByRole('heading', { name: 'Data' })).toBeTruthy();
  expect(window.location.hash).toBe('');
  expect(document.title).toBe('Data · SimCLR Lab');
});

it('asks for the token otherwise, and says where it stands', async () => {
  lab();
  render(App);
  expect(await screen.findByRole('heading', { name: 'Sign in' })).toBeTruthy();
  expect(screen.getByText(/printed in its terminal/)).toBeTruthy();
  await fireEvent.input(screen.getByLabelText('Access token'), { target: { value: 'wrong' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Sign in' }));
  expect((await screen.findByRole('alert')).textContent).toContain("not the lab's token");
  await fireEvent.input(screen.getByLabelText('Access token'), { target: { value: ' right ' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Sign in' }));
  expect(await screen.findByRole('navigation', { name: 'Pages' })).toBeTruthy();
});

it('goes from page to page without loading, with title and focus, and Back works', async () => {
  lab();
  location.go('/#token=right');
  render(App);
  const bar = await screen.findByRole('navigation', { name: 'Pages' });
  await fireEvent.click(within(bar).getByRole('link', { name: 'Data' }));
  const heading = await screen.findByRole('heading', { name: 'Data' });
  expect(window.location.pathname).toBe('/data');
  expect(document.activeElement).toBe(heading);
  window.history.back();
  expect(await screen.findByRole('heading', { name: 'SimCLR Lab' })).toBeTruthy();
});
