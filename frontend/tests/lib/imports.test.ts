import { describe, expect, it } from 'vitest';
import type { PublishedOut } from '../../src/api/imports';
import { importText, sourceText } from '../../src/lib/imports';
import { allowed, standingText } from '../../src/lib/jobWords';
import { alone, job, progress } from '../fixtures/job';

const MIB = 1024 * 1024;
const nothing = { step: 0, steps: 0, etaS: null };

describe('an import', () => {
  const asked = job({ kind: 'import', dataset_id: null, config: { origin: 'upload', source: 'zip' } });

  it('counts bytes while it downloads and images while it reads', () => {
    const bytes = { step: 34 * MIB, steps: 170 * MIB, unit: 'byte' as const, etaS: 12 };
    expect(importText(asked, bytes, alone)).toBe('34.0 MiB of 170 MiB downloaded, 12 s left.');
    const images = { step: 1234, steps: 20000, unit: 'image' as const, etaS: null };
    expect(importText(asked, images, alone)).toBe('1,234 of 20,000 images.');
    expect(importText(asked, nothing, alone)).toContain('reads and checks');
    const drawn = job({ ...asked, config: { origin: 'builtin', source: 'factors' } });
    expect(importText(drawn, nothing, alone)).toBe('The lab makes the images …');
    const told = { ...progress(500, 2000, 30), unit: 'image' as const };
    expect(standingText(job({ ...asked, progress: told }), alone, 0)).toBe('500 of 2,000 images · 30 s left');
  });

  it('says where it stands while it waits, and that it stops', () => {
    const waiting = job({ ...asked, state: 'queued', position: 1, starts_in_s: 0 });
    expect(importText(waiting, nothing, alone)).toBe('Accepted: 1st in line, starts in a moment.');
    expect(importText(job({ ...asked, desired: 'cancel' }), nothing, alone)).toBe('Stopping …');
  });

  it('is not paused, and is tried again only where its images are still there', () => {
    expect(allowed(asked)).toMatchObject({ pause: false, cancel: true });
    expect(allowed(job({ ...asked, state: 'failed' }))).toMatchObject({ again: false, sendAgain: true });
    const published = job({ ...asked, state: 'failed', config: { origin: 'published', source: 'cifar10' } });
    expect(allowed(published)).toMatchObject({ again: true, sendAgain: false });
  });
});

it('names published sets with what they cost', () => {
  const cifar: PublishedOut = {
    name: 'cifar10',
    title: 'CIFAR-10',
    about: '',
    licence: '',
    reference: '',
    image_size: 32,
    bytes: 170 * MIB,
    is_here: false,
  };
  expect(sourceText(cifar)).toBe('CIFAR-10 · 170 MiB');
  expect(sourceText({ ...cifar, is_here: true })).toBe('CIFAR-10 · downloaded');
  expect(sourceText({ ...cifar, bytes: null })).toBe('CIFAR-10');
});
